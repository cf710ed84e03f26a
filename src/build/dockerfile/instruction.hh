#pragma once
#include "build/dockerfile/source.hh"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace hull::build::dockerfile {

struct Heredoc {
    std::string name;         ///< the delimiter, and the file's name in COPY and ADD
    std::string content;      ///< as written, every line with its end
    bool expand = true;       ///< false for a quoted delimiter
    bool strip_tabs = false;  ///< `<<-`: leading tabs of each line go, see `heredoc_text`
    int descriptor = 0;       ///< of `3<<EOF`
    bool operator==(const Heredoc&) const = default;
};
/// `content` without leading tabs where the heredoc asks for it.
std::string heredoc_text(const Heredoc& heredoc);

/// The arguments of RUN, CMD, ENTRYPOINT. Exec form: the JSON array's strings. Shell form: one
/// string for the shell; no element at all for an empty `CMD`.
struct CommandLine {
    bool exec = false;
    std::vector<std::string> arguments;
    bool operator==(const CommandLine&) const = default;
};

enum class MountType { bind, cache, tmpfs, secret, ssh };
enum class CacheSharing { shared, private_, locked };

/// `RUN --mount=…`. Defaults of the type are filled in, except target "", which the builder derives
/// for secret (/run/secrets/ID) and ssh (/run/buildkit/ssh_agent.N).
struct Mount {
    MountType type = MountType::bind;
    std::string target, source, from, id;
    bool read_only = true;
    CacheSharing sharing = CacheSharing::shared;
    bool required = false;           ///< secret, ssh
    std::optional<std::string> env;  ///< secret: name of the variable to set
    std::optional<std::uint32_t> mode, uid, gid;
    std::int64_t size_limit_bytes = 0;  ///< tmpfs, 0: none
    bool operator==(const Mount&) const = default;
};

struct Device {
    std::string name;
    bool required = false;
    bool operator==(const Device&) const = default;
};

enum class Network { default_, none, host };
enum class Security { sandbox, insecure };

struct Run {
    CommandLine command;
    std::vector<Heredoc> heredocs;
    std::vector<std::string> mount_flags;  ///< values as written
    std::vector<Mount> mounts;             ///< filled by `expand_instruction`
    Network network = Network::default_;
    Security security = Security::sandbox;
    std::vector<Device> devices;
};
struct Cmd {
    CommandLine command;
};
struct Entrypoint {
    CommandLine command;
};

/// Quotes and escapes are still there until `expand_instruction` took them away.
struct KeyValue {
    std::string key, value;
    bool legacy = false;  ///< `ENV key value`
    bool operator==(const KeyValue&) const = default;
};
struct Env {
    std::vector<KeyValue> pairs;
};
struct Label {
    std::vector<KeyValue> pairs;
};

struct Argument {
    std::string name;
    std::optional<std::string> value;  ///< the default
    std::string comment;               ///< "# NAME description" on the line above
    bool operator==(const Argument&) const = default;
};
struct Arg {
    std::vector<Argument> arguments;
};

/// What COPY and ADD have in common. Heredocs stand between the sources in `heredocs`, not in
/// `sources`.
struct Transfer {
    std::vector<std::string> sources;  ///< paths, patterns, URLs
    std::vector<Heredoc> heredocs;     ///< files written in the Dockerfile
    std::string destination;
    std::string chown, chmod;  ///< "" when absent
    bool link = false;
    std::vector<std::string> excludes;
};
struct Copy : Transfer {
    std::string from;  ///< stage name, index, image or named context; "" the build context
    bool parents = false;
};
struct Add : Transfer {
    std::string checksum;              ///< "sha256:…" or a commit, "" when absent
    std::optional<bool> keep_git_dir;  ///< nullopt: the build's default
    std::optional<bool> unpack;        ///< nullopt: local archives yes, downloads no
};

struct Workdir {
    std::string path;
};
struct User {
    std::string user;
};
struct Expose {
    std::vector<std::string> ports;  ///< as written; after expansion see `parse_ports`
};
struct Volume {
    std::vector<std::string> paths;
};
struct StopSignal {
    std::string signal;
};
struct Healthcheck {
    bool none = false;
    CommandLine command;
    std::int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0, start_interval_ns = 0;
    int retries = 0;
};
struct Shell {
    std::vector<std::string> arguments;
};
struct Maintainer {
    std::string name;
};
/// Checked when it is read; executed in the child by `parse_trigger`.
struct OnBuild {
    std::string expression;  ///< the text for `config.OnBuild`; heredocs are part of it
};

using InstructionValue =
    std::variant<Run, Cmd, Entrypoint, Env, Label, Arg, Copy, Add, Workdir, User, Expose, Volume,
                 StopSignal, Healthcheck, Shell, Maintainer, OnBuild>;

struct Instruction {
    std::string keyword;                ///< as written: "run"
    std::string original;               ///< on one line, continuations joined, without heredocs
    std::vector<std::string> comments;  ///< every comment right above, without `#`
    Location location;                  ///< of the keyword
    InstructionValue value;
};

/// Upper case: "RUN".
std::string_view instruction_name(const InstructionValue& value);
/// Where `text`, a part of the instruction as it is written, stands; the keyword when it is not
/// found. For messages about one argument, a flag or a variable.
Location locate(const Instruction& instruction, const Source& source, std::string_view text);

/// Reads the value of `--mount`. Throws Error(invalid_argument) with Docker's words.
Mount parse_mount(std::string_view text);
/// "80", "80/udp", "8000-8010/tcp" -> "80/tcp", … as `ExposedPorts` has them. Host parts
/// ("127.0.0.1:80:80") are dropped as Docker does. Throws Error(invalid_argument).
std::vector<std::string> parse_ports(const std::vector<std::string>& ports);

/// How a RUN with heredocs is executed.
struct RunPlan {
    std::vector<std::string> arguments;  ///< for execve; the shell is in front where it is needed
    /// `RUN <<EOF` whose first line is a shebang: this file is made executable at
    /// /dev/pipes/NAME (mounted, not in the image), which `arguments` names.
    std::optional<Heredoc> script;
};
/// `shell` is the stage's SHELL; empty means /bin/sh -c.
RunPlan plan_run(const Run& run, const std::vector<std::string>& shell);
/// `command` as the image's config has it: with the shell in front of a shell form.
std::vector<std::string> with_shell(const CommandLine& command,
                                    const std::vector<std::string>& shell);

}  // namespace hull::build::dockerfile
