#include "archive/file_record.hh"
#include "archive/test_tar.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/hash.hh"
#include "base/json.hh"
#include "base/process.hh"
#include "base/sys.hh"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

// With the real hull-transfer, as the daemon starts it.
namespace hull::transfer {
namespace {

using archive::test::directory;
using archive::test::end;
using archive::test::file;
using archive::test::link;

constexpr uid_t test_uid = 61234;

std::string program() {
    if (const char* directory = ::getenv("HULL_BIN")) return join(directory, "hull-transfer");
    std::string path(4096, '\0');
    path.resize(static_cast<std::size_t>(::readlink("/proc/self/exe", path.data(), path.size())));
    path.resize(path.rfind('/'));
    path.resize(path.rfind('/'));
    return join(path, "bin/hull-transfer");
}

class Staged {
public:
    Staged() {
        char name[] = "/tmp/hull-transfer-XXXXXX";
        if (!::mkdtemp(name)) throw_errno(errno, "mkdtemp");
        outside_ = name;
        path_ = join(outside_, "staging");
        sys::mkdir(path_, 0700);
    }
    ~Staged() {
        ::syscall(SYS_umount2, path_.c_str(), 2);  // of the test that fills a disk
        sys::remove_tree(outside_);
    }
    const std::string& path() const { return path_; }
    const std::string& outside() const { return outside_; }

private:
    std::string outside_, path_;
};

/// A running hull-transfer; its input stays open until `finish`.
class Transfer {
public:
    Transfer(const std::string& verb, const std::string& staging,
             std::vector<std::string> more = {})
        : input_(sys::pipe()), output_(sys::pipe()), messages_(sys::pipe()) {
        ::signal(SIGPIPE, SIG_IGN);  // it may stop reading before we stop writing
        Command command;
        command.arguments = {program(), verb,    "--staging",
                             staging,   "--uid", fmt::format("{}", test_uid)};
        command.arguments.insert(command.arguments.end(), more.begin(), more.end());
        command.descriptors = {{input_.read_end.get(), 0},
                               {output_.write_end.get(), 1},
                               {messages_.write_end.get(), 3}};
        process_.emplace(Process::spawn(command));
        input_.read_end.reset();
        output_.write_end.reset();
        messages_.write_end.reset();
    }

    pid_t pid() const { return process_->pid(); }

    std::vector<json::Value> finish(std::string_view input, std::string* output = nullptr) {
        std::thread writer([&] {
            try {
                sys::write_all(input_.write_end.get(), input);
            } catch (const Error&) {  // it stopped reading: its message says why
            }
            input_.write_end.reset();
        });
        const std::string text = read_all(messages_.read_end.get());
        if (output) *output = read_all(output_.read_end.get());
        writer.join();
        process_->wait();
        std::vector<json::Value> messages;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t line_end = text.find('\n', at);
            messages.push_back(json::parse(std::string_view(text).substr(at, line_end - at)));
            at = line_end + 1;
        }
        return messages;
    }

private:
    static std::string read_all(int fd) {
        std::string text;
        std::byte buffer[4096];
        while (const std::size_t count = sys::read(fd, buffer))
            text.append(reinterpret_cast<const char*>(buffer), count);
        return text;
    }

    sys::Pipe input_, output_, messages_;
    std::optional<Process> process_;
};

std::vector<json::Value> load(std::string_view archive, const std::string& staging) {
    return Transfer("load", staging).finish(archive);
}

std::string error_of(const std::vector<json::Value>& messages) {
    for (const json::Value& message : messages)
        if (message["error"].is_object())
            return message["error"]["kind"].as_string() + ": " +
                   message["error"]["message"].as_string();
    return "no error";
}

std::size_t count_of(const std::vector<json::Value>& messages, const char* key) {
    return static_cast<std::size_t>(
        std::count_if(messages.begin(), messages.end(),
                      [&](const json::Value& message) { return !message[key].is_null(); }));
}

const json::Value& image_of(const std::vector<json::Value>& messages) {
    for (const json::Value& message : messages)
        if (message["image"].is_object()) return message["image"];
    throw Error(ErrorKind::internal, "no image: {}", error_of(messages));
}

std::string config_of(const std::vector<std::string>& layers) {
    json::Array diff_ids;
    for (const std::string& layer : layers) diff_ids.push_back("sha256:" + sha256_hex(layer));
    return json::dump(json::Object{
        {"architecture", "amd64"},
        {"os", "linux"},
        {"config", json::Object{{"Cmd", json::Array{"sh"}}}},
        {"rootfs", json::Object{{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}},
    });
}

std::string docker_manifest(const std::vector<std::string>& layers) {
    return json::dump(json::Array{json::Object{
        {"Config", "config.json"}, {"RepoTags", json::Array{"me/app:1"}}, {"Layers", layers}}});
}

std::string status_field(const std::string& status, const std::string& name) {
    const std::size_t begin = status.find(name + ":\t");
    if (begin == std::string::npos) return {};
    const std::size_t value = begin + name.size() + 2;
    return status.substr(value, status.find('\n', value) - value);
}

TEST(Sandbox, HoldsBeforeTheFirstByteIsRead) {
    const Staged staged;
    Transfer transfer("self-check", staged.path());
    // It sleeps in read(2) of its input when the sandbox is up: seccomp, the last step, shows.
    std::string status;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (status_field(status, "Seccomp") != "2" && std::chrono::steady_clock::now() < deadline) {
        status = read_file(fmt::format("/proc/{}/status", transfer.pid()));
        std::this_thread::yield();
    }
    EXPECT_EQ(status_field(status, "Seccomp"), "2");
    EXPECT_EQ(status_field(status, "NoNewPrivs"), "1");
    EXPECT_EQ(status_field(status, "Uid"), "61234\t61234\t61234\t61234");
    EXPECT_EQ(status_field(status, "Gid"), "61234\t61234\t61234\t61234");
    EXPECT_EQ(status_field(status, "Groups").find_first_not_of(' '), std::string::npos);
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
        EXPECT_EQ(status_field(status, set), "0000000000000000") << set;

    std::string output;
    transfer.finish("", &output);
    const json::Value checks = json::parse(output);
    EXPECT_EQ(checks["write_staging"].as_string(), "ok");
    for (const char* refused :
         {"open_etc_passwd", "open_etc_passwd_in_thread", "open_parent", "open_proc", "write_tmp",
          "make_directory", "symlink", "socket", "exec", "fork", "signal_parent", "setuid_root"})
        EXPECT_NE(checks[refused].as_string(), "ok") << refused;
    EXPECT_TRUE(checks["own_root"].as_bool());
    EXPECT_EQ(sys::list_directory(staged.outside()), std::vector<std::string>{"staging"});
}

TEST(Load, ReadsADockerArchiveInAnyOrder) {
    const std::string base = directory("etc/") + file("etc/x", "1") + end();
    const std::string upper = file("etc/.wh.x", "") + end();
    const std::string config = config_of({base, upper, base});
    const std::vector<std::string> parts{
        file("manifest.json", docker_manifest({"a/layer.tar", "b/layer.tar", "c/layer.tar"})),
        file("config.json", config), file("a/layer.tar", base), file("b/layer.tar", upper),
        link('2', "c/layer.tar", "../a/layer.tar")};
    std::vector<std::size_t> order{0, 1, 2, 3, 4};
    std::string manifest;
    do {
        std::string archive;
        for (const std::size_t part : order) archive += parts[part];
        const Staged staged;
        const auto messages = load(archive + end(), staged.path());
        const json::Value& image = image_of(messages);
        EXPECT_EQ(image["config"].as_string(), "sha256:" + sha256_hex(config));
        EXPECT_EQ(image["tags"].as_strings(), std::vector<std::string>{"docker.io/me/app:1"});
        EXPECT_EQ(count_of(messages, "layer"), 2U);
        if (manifest.empty()) manifest = image["manifest"].as_string();
        EXPECT_EQ(image["manifest"].as_string(), manifest);
    } while (std::next_permutation(order.begin(), order.end()) && order[0] < 2);
}

TEST(Load, CopiesTheLowerFileOfAHardLink) {
    const std::string base = file("usr/lower", "content") + end();
    const std::string upper = link('1', "mine", "usr/lower") + end();
    const Staged staged;
    const auto messages =
        load(file("b", upper) + file("a", base) + file("config.json", config_of({base, upper})) +
                 file("manifest.json", docker_manifest({"a", "b"})) + end(),
             staged.path());
    EXPECT_EQ(error_of(messages), "no error");
    EXPECT_EQ(count_of(messages, "layer"), 2U);
    const Staged other;
    const std::string lonely = link('1', "mine", "usr/missing") + end();
    EXPECT_NE(error_of(load(file("a", lonely) + file("config.json", config_of({lonely})) +
                                file("manifest.json", docker_manifest({"a"})) + end(),
                            other.path()))
                  .find("a hard link to \"usr/missing\""),
              std::string::npos);
}

TEST(Load, ReadsTheFormatBeforeDocker110) {
    const std::string base = file("x", "1") + end(), upper = file("y", "2") + end();
    const Staged staged;
    const auto messages = load(
        file("repositories", R"({"old/app":{"v1":"top"}})") + file("top/layer.tar", upper) +
            file("top/json", R"({"id":"top","parent":"low","os":"linux","config":{"Cmd":["a"]}})") +
            file("low/json", R"({"id":"low","os":"linux"})") + file("low/layer.tar", base) + end(),
        staged.path());
    EXPECT_EQ(image_of(messages)["tags"].as_strings(),
              std::vector<std::string>{"docker.io/old/app:v1"});
    EXPECT_EQ(count_of(messages, "layer"), 2U);
    const Staged other;
    EXPECT_NE(error_of(load(file("repositories", R"({"a":{"v1":"x"}})") +
                                file("x/json", R"({"parent":"x"})") + end(),
                            other.path()))
                  .find("does not end"),
              std::string::npos);
}

TEST(Load, RefusesWhatDoesNotFitTogether) {
    const std::string layer = file("x", "1") + end(), other = file("x", "2") + end();
    const std::string manifest = file("manifest.json", docker_manifest({"a"}));
    struct {
        std::string archive, message;
    } const cases[] = {
        {file("a", other) + file("config.json", config_of({layer})) + manifest,
         "data_loss: layer 1 of 1, sha256:" + sha256_hex(other) + ": unpacks to"},
        {file("blobs/sha256/" + std::string(64, '0'), layer), "data_loss: blobs/sha256/000"},
        {file("config.json", config_of({layer})) + manifest, "names \"a\""},
        {file("a", layer) + manifest, "names \"config.json\""},
        {file("a", "no tar") + file("config.json", config_of({"no tar"})) + manifest, "layer 1"},
        {file("a", layer) + file("config.json", config_of({layer, layer})) + manifest,
         "lists 2 layers, not 1"},
        {file("a", layer) + file("config.json", "{") + manifest, "image config"},
        {file("manifest.json", "[{\"Config\":3}]"), "manifest.json: expected"},
        {file("../x", "1"), "leads out"},
        {link('2', "a", "/etc/passwd"), "an absolute link"},
        {link('2', "a", "../../etc/passwd"), "leads out of the archive"},
        {link('1', "a", "../etc/passwd"), "leads out of the archive"},
        {link('2', "manifest.json", "manifest.json"), "neither manifest.json nor index.json"},
        {link('3', "device", ""), "device or fifo"},
        {file("bin/sh", "x"), "is imported with `import`"},
        {"", "the archive is empty"},
        {file("manifest.json", "[]"), "holds no image"},
        {file("index.json", R"({"schemaVersion":2,"manifests":[]})"), "holds no image"},
        {std::string("BZh91AY&SY") + std::string(600, 'x'), "bzip2 data is corrupt"},
    };
    for (const auto& [archive, message] : cases) {
        SCOPED_TRACE(message);
        const Staged staged;
        const auto messages = load(archive.empty() ? end() : archive + end(), staged.path());
        EXPECT_NE(error_of(messages).find(message), std::string::npos) << error_of(messages);
        EXPECT_EQ(count_of(messages, "image") + count_of(messages, "done"), 0U);
        EXPECT_EQ(sys::list_directory(staged.outside()), std::vector<std::string>{"staging"});
    }
}

TEST(Load, NoticesWhereverTheArchiveIsCut) {
    const std::string layer = file("x", std::string(3000, '1')) + end();
    const std::string archive = file("config.json", config_of({layer})) + file("a", layer) +
                                file("manifest.json", docker_manifest({"a"})) + end();
    for (std::size_t cut = 0; cut + 1024 < archive.size(); cut += 512) {
        const Staged staged;
        EXPECT_NE(error_of(load(archive.substr(0, cut), staged.path())), "no error") << cut;
    }
}

TEST(Import, MakesAnImageOfOneLayer) {
    const Staged staged;
    const std::string tar = directory("bin/") + file("bin/sh", "x") + end();
    const auto messages =
        Transfer("import", staged.path(),
                 {"--import-options",
                  R"({"changes":{"Cmd":["/bin/sh"]},"message":"made","platform":"linux/arm64",)"
                  R"("reference":"docker.io/library/x:1"})"})
            .finish(tar);
    const json::Value& image = image_of(messages);
    EXPECT_EQ(image["tags"].as_strings(), std::vector<std::string>{"docker.io/library/x:1"});
    for (const json::Value& message : messages)
        if (message["blob"]["digest"] == image["config"]) {
            const json::Value config =
                json::parse(read_file(join(staged.path(), message["blob"]["file"].as_string())));
            EXPECT_EQ(config["architecture"].as_string(), "arm64");
            EXPECT_EQ(config["history"].as_array().at(0)["comment"].as_string(), "made");
            EXPECT_EQ(config["rootfs"]["diff_ids"].as_strings().at(0), "sha256:" + sha256_hex(tar));
        }
    const Staged other;
    EXPECT_NE(error_of(Transfer("import", other.path()).finish("no tar at all")).find("tar"),
              std::string::npos);
}

TEST(Load, SaysWhatIsFullAndHowMuchItNeeded) {
    const Staged staged;
    ASSERT_EQ(::syscall(SYS_mount, "tmpfs", staged.path().c_str(), "tmpfs", 0, "size=1m"), 0);
    const std::string layer = file("x", std::string(900'000, '1')) + end();
    const auto messages = load(file("config.json", config_of({layer})) + file("a", layer) +
                                   file("manifest.json", docker_manifest({"a"})) + end(),
                               staged.path());
    ::syscall(SYS_umount2, staged.path().c_str(), 2);
    const std::string error = error_of(messages);
    EXPECT_NE(error.find("no space left on the device in " + staged.path()), std::string::npos)
        << error;
    EXPECT_NE(error.find("needs about"), std::string::npos) << error;
}

/// What the program with rights reads of what `unpack` writes: names and data.
std::vector<std::string> unpacked(std::string_view tar, std::string* problem) {
    const Staged staged;
    std::string output;
    *problem = error_of(Transfer("unpack", staged.path()).finish(tar, &output));
    std::vector<std::string> lines;
    archive::MemorySource source(output);
    archive::RecordReader records(source);
    try {
        while (const archive::Entry* entry = records.next_entry()) {
            std::string line = entry->name;
            if (!entry->link_target.empty()) line += " -> " + entry->link_target;
            for (auto piece = records.next(); !piece.empty(); piece = records.next())
                line +=
                    " " + std::string(reinterpret_cast<const char*>(piece.data()), piece.size());
            lines.push_back(line);
        }
    } catch (const Error& error) {
        lines.push_back(error.message());
    }
    return lines;
}

TEST(Unpack, GivesCleanRecordsOfATar) {
    std::string problem;
    EXPECT_EQ(
        unpacked(directory("./") + directory("/abs//dir/") + file("abs/dir/./x/../f", "data") +
                     link('1', "hard", "/abs/dir/f") + link('2', "soft", "../../etc") + end(),
                 &problem),
        (std::vector<std::string>{"", "abs/dir", "abs/dir/f data", "hard -> abs/dir/f",
                                  "soft -> ../../etc"}));
    EXPECT_EQ(problem, "no error");
}

TEST(Unpack, WhatLeadsOutsideOrIsCutHasNoEnd) {
    const std::string early = "the records of the archive end early";
    std::string problem;
    EXPECT_EQ(unpacked(file("../f", "x") + end(), &problem), std::vector<std::string>{early});
    EXPECT_NE(problem.find("invalid_argument: entry \"../f\" leads outside"), std::string::npos);
    EXPECT_EQ(unpacked(file("a", "x") + link('1', "h", "a/../../f") + end(), &problem).back(),
              early);
    EXPECT_NE(problem.find("leads outside"), std::string::npos);
    const std::string cut = file("a", std::string(2000, 'x'));
    EXPECT_EQ(unpacked(std::string_view(cut).substr(0, 1200), &problem).back(), early);
    EXPECT_NE(problem.find("invalid_argument"), std::string::npos);
}

/// request.json as the daemon writes it for a commit on an image of one layer.
std::vector<json::Value> commit_layer(const Staged& staged, std::string_view layer) {
    const std::string base = "sha256:" + std::string(64, 'a');
    write_file(join(staged.path(), "request.json"),
               json::dump(json::Object{
                   {"config", json::parse(config_of({"base"}))},
                   {"layers", json::Array{json::Object{
                                  {"mediaType", "application/x"}, {"digest", base}, {"size", 5}}}},
                   {"block", json::Object{{"Cmd", json::Array{"new"}}}},
                   {"author", "me"},
                   {"comment", "why"},
                   {"createdBy", ""},
                   {"reference", "docker.io/me/app:2"}}));
    return Transfer("commit", staged.path()).finish(layer);
}

json::Value document_of(const std::vector<json::Value>& messages, const Staged& staged,
                        const std::string& digest) {
    for (const json::Value& message : messages)
        if (message["blob"].is_object() && message["blob"]["digest"].as_string() == digest)
            return json::parse(read_file(join(staged.path(), message["blob"]["file"].as_string())));
    throw Error(ErrorKind::internal, "no blob {}: {}", digest, error_of(messages));
}

TEST(Commit, PutsALayerOnTopOfAnImage) {
    const Staged staged;
    const std::string layer = file("etc/.wh.x", "") + end();
    const auto messages = commit_layer(staged, layer);
    const json::Value& image = image_of(messages);
    const json::Value config = document_of(messages, staged, image["config"].as_string());
    EXPECT_EQ(
        config["rootfs"]["diff_ids"].as_strings(),
        (std::vector<std::string>{"sha256:" + sha256_hex("base"), "sha256:" + sha256_hex(layer)}));
    EXPECT_EQ(config["config"]["Cmd"].as_strings(), std::vector<std::string>{"new"});
    EXPECT_EQ(config["author"].as_string(), "me");
    EXPECT_EQ(config["history"].as_array().back()["comment"].as_string(), "why");
    EXPECT_TRUE(config["history"].as_array().back()["empty_layer"].is_null());
    const json::Value manifest = document_of(messages, staged, image["manifest"].as_string());
    ASSERT_EQ(manifest["layers"].as_array().size(), 2U);
    EXPECT_EQ(manifest["layers"].as_array()[0]["mediaType"].as_string(), "application/x");
    EXPECT_EQ(image["tags"].as_strings(), std::vector<std::string>{"docker.io/me/app:2"});
}

TEST(Commit, ALayerWithoutEntriesAddsNone) {
    const Staged staged;
    const auto messages = commit_layer(staged, end());
    EXPECT_EQ(count_of(messages, "layer"), 0U);
    const json::Value config =
        document_of(messages, staged, image_of(messages)["config"].as_string());
    EXPECT_EQ(config["rootfs"]["diff_ids"].as_array().size(), 1U);
    EXPECT_TRUE(config["history"].as_array().back()["empty_layer"].as_bool());
}

}  // namespace
}  // namespace hull::transfer
