#include "cli/build_context.hh"

#include "archive/tar_writer.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "build/dockerfile/archive_head.hh"
#include "build/dockerfile/ignore.hh"
#include "cli/terminal.hh"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace hull::cli {

namespace {

constexpr std::size_t most_text_bytes = 4UL << 20, tar_block_bytes = 512;

std::string real_path(const std::string& path) {
    char buffer[PATH_MAX];
    if (!::realpath(path.c_str(), buffer)) throw_errno(errno, "{}", path);
    return buffer;
}

std::string read_all(int fd, std::size_t most_bytes) {
    std::string text;
    std::vector<std::byte> buffer(64UL << 10);
    while (const std::size_t count = sys::read(fd, buffer)) {
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
        if (text.size() > most_bytes)
            throw Error(ErrorKind::invalid_argument, "the Dockerfile is larger than {} MB",
                        most_bytes >> 20);
    }
    return text;
}

/// Pulls from memory first and then from a descriptor.
std::function<std::size_t(std::span<std::byte>)> read_after(std::string head, int fd) {
    return
        [head = std::move(head), given = std::size_t(0), fd](std::span<std::byte> buffer) mutable {
        if (given == head.size()) return sys::read(fd, buffer);
        const std::size_t count = std::min(buffer.size(), head.size() - given);
        std::memcpy(buffer.data(), head.data() + given, count);
        given += count;
        return count;
        };
}

/// A tar without files.
std::function<std::size_t(std::span<std::byte>)> empty_archive() {
    std::string end(2 * tar_block_bytes, '\0');
    return [end = std::move(end), given = std::size_t(0)](std::span<std::byte> buffer) mutable {
        const std::size_t count = std::min(buffer.size(), end.size() - given);
        std::memcpy(buffer.data(), end.data() + given, count);
        given += count;
        return count;
    };
}

BuildContext open_stdin(const std::string& file) {
    if (file == "-")
        throw Error(ErrorKind::invalid_argument,
                    "invalid argument: can't use stdin for both build context and dockerfile");
    BuildContext context;
    context.dockerfile = file;
    std::string head(tar_block_bytes, '\0');
    head.resize(sys::read_full(STDIN_FILENO, std::as_writable_bytes(std::span(head))));
    if (build::dockerfile::begins_archive(head)) {
        context.source = read_after(std::move(head), STDIN_FILENO);
        return context;
    }
    if (!file.empty())
        throw Error(ErrorKind::invalid_argument,
                    "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
    context.text = head + read_all(STDIN_FILENO, most_text_bytes);
    context.source = empty_archive();
    return context;
}

}  // namespace

std::string BuildContext::identity() const {
    const auto info = sys::find_stat(directory);
    return info ? fmt::format("{}:{}", static_cast<unsigned long>(info->st_dev),
                              static_cast<unsigned long>(info->st_ino))
                : "";
}

void BuildContext::read_directory(bool with_ignore_file) {
    const std::string name = dockerfile.empty() ? "Dockerfile" : dockerfile;
    std::optional<std::string> lines = ignore;
    if (!lines) lines = find_file(join(directory, name + ".dockerignore"), most_text_bytes);
    if (!lines) lines = find_file(join(directory, ".dockerignore"), most_text_bytes);
    auto patterns = std::make_shared<build::dockerfile::IgnorePatterns>(
        build::dockerfile::parse_ignore_file(lines.value_or("")));
    const auto is_needed = [name](const std::string& path) {
        return path == name || path == ".dockerignore" || path == name + ".dockerignore" ||
               name.starts_with(path + "/");
    };
    auto archive = std::make_shared<TreeArchive>(
        directory, ".", true,
        [patterns, is_needed, with_ignore_file](const std::string& path, bool is_directory) {
        if (path == ".dockerignore" && !with_ignore_file) return true;
        if (!patterns->is_excluded(path) || is_needed(path)) return false;
        return !is_directory || patterns->can_skip_directory(path);
        });
    source = [archive](std::span<std::byte> buffer) { return archive->read(buffer); };
    owner = archive;
}

std::string BuildContext::send_text() {
    const std::string name = ".dockerfile." + random_hex(20);
    const std::string lines =
        find_file(join(directory, ".dockerignore"), most_text_bytes).value_or("");
    std::string head;
    archive::TarWriter writer([&](std::span<const std::byte> piece) {
        head.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    });
    const auto add = [&](std::string_view path, std::string_view content) {
        archive::Entry entry;
        entry.name = path;
        entry.mode = 0600;
        entry.size = content.size();
        writer.add_file(entry, content);
    };
    add(name, *text);
    add(".dockerignore", lines + "\n.dockerignore\n" + name + "\n");
    source = [head = std::move(head), given = std::size_t(0),
              rest = std::move(source)](std::span<std::byte> buffer) mutable {
        if (given == head.size()) return rest(buffer);
        const std::size_t count = std::min(buffer.size(), head.size() - given);
        std::memcpy(buffer.data(), head.data() + given, count);
        given += count;
        return count;
    };
    return name;
}

bool is_remote_context(const std::string& text) {
    for (const char* scheme : {"http://", "https://", "git://", "ssh://", "github.com/"})
        if (text.starts_with(scheme)) return true;
    // user@host:path, when it is no directory of that name.
    const std::size_t at = text.find('@'), colon = text.find(':'), slash = text.find('/');
    return at != std::string::npos && at > 0 && colon != std::string::npos && at < colon &&
           colon < slash && !sys::find_stat(text);
}

BuildContext open_build_context(const std::string& path, const std::string& file) {
    if (path == "-") return open_stdin(file);
    BuildContext context;
    if (is_remote_context(path)) {
        context.remote = path;
        if (file == "-")
            context.text = read_all(STDIN_FILENO, most_text_bytes);
        else
            context.dockerfile = file;
        context.source = [](std::span<std::byte>) { return std::size_t(0); };
        return context;
    }
    const auto info = sys::find_stat(path);
    if (!info)
        throw Error(ErrorKind::not_found, "unable to prepare context: path \"{}\" not found", path);
    context.directory = real_path(path);
    if (!S_ISDIR(sys::find_stat(context.directory)->st_mode))
        throw Error(ErrorKind::invalid_argument,
                    "unable to prepare context: context must be a directory: {}", path);
    if (file == "-") {
        context.text = read_all(STDIN_FILENO, most_text_bytes);
        return context;
    }
    if (file.empty()) {
        if (!sys::find_stat(join(context.directory, "Dockerfile")) &&
            !sys::find_stat(join(context.directory, "dockerfile")))
            throw Error(ErrorKind::not_found,
                        "unable to prepare context: unable to evaluate symlinks in Dockerfile "
                        "path: lstat {}: no such file or directory",
                        join(context.directory, "Dockerfile"));
        return context;
    }
    // Relative to where we are; for an old habit, also to the context.
    std::string found = file;
    if (!sys::find_stat(found) && !file.starts_with('/')) found = join(context.directory, file);
    if (!sys::find_stat(found))
        throw Error(ErrorKind::not_found,
                    "unable to prepare context: unable to evaluate symlinks in Dockerfile path: "
                    "lstat {}: no such file or directory",
                    file.starts_with('/') ? file : found);
    const std::string absolute = real_path(found);
    if (absolute.starts_with(context.directory + "/") || context.directory == "/") {
        context.dockerfile =
            absolute.substr(context.directory == "/" ? 1 : context.directory.size() + 1);
        return context;
    }
    context.text = read_file(absolute, most_text_bytes);
    context.ignore = find_file(absolute + ".dockerignore", most_text_bytes);
    return context;
}

BuildContext open_named_context(const std::string& path) {
    BuildContext context;
    context.directory = real_path(path);
    if (!S_ISDIR(sys::find_stat(context.directory)->st_mode))
        throw Error(ErrorKind::invalid_argument, "a build context must be a directory: {}", path);
    return context;
}

}  // namespace hull::cli
