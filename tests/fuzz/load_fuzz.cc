// `load` and `import` of an archive with any documents. The input is cut at bytes 0xFF into the
// texts of the archive's files; @N in one is the digest of text N (of a later file), @L of a layer.
#include "archive/test_tar.hh"
#include "base/error.hh"
#include "base/hash.hh"
#include "base/sys.hh"
#include "transfer/import.hh"
#include "transfer/load.hh"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

namespace {

using namespace hull;
namespace tar = archive::test;

constexpr std::string_view names[] = {"index.json",  "manifest.json", "repositories",
                                      "config.json", "a/json",        "layer.tar"};

/// In memory where there is such a file system: the fuzzer makes thousands of files a second.
struct StagingDirectory {
    std::string path;
    StagingDirectory() {
        struct stat ignored;
        path = ::stat("/dev/shm", &ignored) == 0 ? "/dev/shm/hull-load-fuzz-XXXXXX"
                                                 : "/tmp/hull-load-fuzz-XXXXXX";
        if (!::mkdtemp(path.data())) throw_errno(errno, "making {}", path);
    }
    ~StagingDirectory() {
        empty();
        ::rmdir(path.c_str());
    }
    void empty() const {
        DIR* directory = ::opendir(path.c_str());
        if (!directory) return;
        while (const dirent* entry = ::readdir(directory))
            ::unlinkat(::dirfd(directory), entry->d_name, 0);
        ::closedir(directory);
    }
};

std::vector<std::string> cut(std::string_view input) {
    std::vector<std::string> texts(1);
    for (const char c : input)
        if (c == '\xFF' && texts.size() < std::size(names))
            texts.emplace_back();
        else
            texts.back() += c;
    return texts;
}

std::string make_archive(std::string_view input) {
    static const std::string layer = tar::file("hello", "hi\n") + tar::end();
    std::vector<std::string> texts = cut(input);
    std::vector<std::string> digests(texts.size());
    std::string archive =
        tar::file("l/layer.tar", layer) + tar::file("blobs/sha256/" + sha256_hex(layer), layer);
    for (std::size_t i = texts.size(); i-- > 0;) {
        std::string text;
        for (std::size_t at = 0; at < texts[i].size(); at++) {
            const char next = at + 1 < texts[i].size() ? texts[i][at + 1] : '\0';
            const std::size_t number = static_cast<std::size_t>(next - '0');
            const bool is_digest = next == 'L' || (number > i && number < texts.size());
            if (texts[i][at] != '@' || !is_digest) {
                text += texts[i][at];
                continue;
            }
            text += "sha256:" + (next == 'L' ? sha256_hex(layer) : digests[number]);
            at++;
        }
        digests[i] = sha256_hex(text);
        archive += tar::file(std::string(names[i]), text);
        archive += tar::file("blobs/sha256/" + digests[i], text);
    }
    return archive + tar::end();
}

template <typename Body>
void attempt(const StagingDirectory& directory, Body body) {
    transfer::Staging staging(sys::open(directory.path, O_RDONLY | O_DIRECTORY), directory.path);
    try {
        body(staging);
    } catch (const Error&) {
    }
    directory.empty();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const StagingDirectory directory;
    static const Fd null = sys::open("/dev/null", O_WRONLY);
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    transfer::Messages messages(null.get());
    attempt(directory, [&](transfer::Staging& staging) {
        const std::string archive = make_archive(input);
        archive::MemorySource source(archive);
        transfer::load(source, staging, messages, {});
    });
    attempt(directory, [&](transfer::Staging& staging) {
        const std::string layer = tar::file("hello", "hi\n") + tar::end();
        archive::MemorySource source(layer);
        transfer::import_image(source, input, staging, messages, {});
    });
    return 0;
}
