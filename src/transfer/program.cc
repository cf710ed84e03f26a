#include "transfer/program.hh"

#include "base/sys.hh"
#include "linux/sandbox.hh"
#include "oci/reference.hh"
#include "registry/client/configuration.hh"
#include "transfer/ask.hh"
#include "transfer/download.hh"
#include "transfer/fetch.hh"
#include "transfer/git.hh"
#include "transfer/import.hh"
#include "transfer/load.hh"
#include "transfer/pull.hh"
#include "transfer/push.hh"
#include "transfer/save.hh"
#include "transfer/self_check.hh"
#include "transfer/unpack.hh"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <optional>
#include <string>

namespace hull::transfer {

namespace {

constexpr int message_fd = 3;
constexpr int first_saved_blob_fd = 10;

struct Arguments {
    std::string verb, staging, known, import_options;
    std::optional<uid_t> uid;
};

Arguments parse_arguments(int count, char** words) {
    Arguments arguments;
    if (count < 2) throw Error(ErrorKind::invalid_argument, "what to do is missing");
    arguments.verb = words[1];
    for (int i = 2; i < count; i += 2) {
        const std::string_view name = words[i];
        if (i + 1 == count) throw Error(ErrorKind::invalid_argument, "{} needs a value", name);
        const std::string_view value = words[i + 1];
        if (name == "--staging") {
            arguments.staging = value;
        } else if (name == "--known") {
            arguments.known = value;
        } else if (name == "--import-options") {
            arguments.import_options = value;
        } else if (name == "--uid") {
            uid_t uid = 0;
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), uid);
            if (error != std::errc() || end != value.data() + value.size())
                throw Error(ErrorKind::invalid_argument, "--uid {} is not a number", value);
            arguments.uid = uid;
        } else {
            throw Error(ErrorKind::invalid_argument, "unknown option {}", name);
        }
    }
    if (arguments.staging.empty() || !arguments.uid)
        throw Error(ErrorKind::invalid_argument, "--staging and --uid are required");
    return arguments;
}

/// DiffIDs, one a line.
std::set<std::string> read_known_layers(const std::string& path) {
    std::set<std::string> layers;
    if (path.empty()) return layers;
    const std::string text = read_file(path);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        if (end > at) layers.insert(text.substr(at, end - at));
        at = end + 1;
    }
    return layers;
}

std::string read_all(int fd) {
    std::string text;
    archive::FdSource source(fd);
    for (auto chunk = source.next(); !chunk.empty(); chunk = source.next())
        text.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    return text;
}

Fd open_staging(const Arguments& arguments) {
    Fd directory = sys::open(arguments.staging, O_RDONLY | O_DIRECTORY);
    if (::geteuid() == 0 && ::fchown(directory.get(), *arguments.uid, *arguments.uid) != 0)
        throw_errno(errno, "giving {} to user {}", arguments.staging, *arguments.uid);
    return directory;
}

/// What speaks to registries: its request, with secrets in it, comes on descriptor 0.
void run_online(const Arguments& arguments, Messages& messages) {
    const json::Value request = json::parse(read_all(0));
    auto configuration = registry_client::Configuration::parse(request["registries"]);
    configuration.read_files(
        arguments.verb == "fetch" || arguments.verb == "download"
            ? registry_client::parse_url(request["url"].as_string()).authority()
            : oci::Reference::parse(request["repository"].as_string()).domain());
    Fd directory = open_staging(arguments);
    linux_::enter_sandbox({.uid = *arguments.uid,
                           .directory = directory.get(),
                           .network = true,
                           .first_kept_fd = arguments.verb == "push" ? first_saved_blob_fd : -1,
                           .dies_with_parent = true});
    // From here on bytes of strangers may be read.
    Staging staging(std::move(directory), arguments.staging);
    if (arguments.verb != "ask")
        configuration.on_warning = [&messages](const std::string& text) {
            messages.report(
                json::Object{{"state", json::Object{{"id", ""}, {"status", "Warning: " + text}}}});
        };
    if (arguments.verb == "pull")
        pull(request, configuration, staging, messages, 1);
    else if (arguments.verb == "push")
        push(request, configuration, staging, messages);
    else if (arguments.verb == "fetch")
        fetch(request, configuration, messages, 1);
    else if (arguments.verb == "download")
        download(request, configuration, staging, messages);
    else
        ask(request, configuration, messages);
}

/// What runs the git program: its request comes on descriptor 0.
void run_git(const Arguments& arguments, Messages& messages) {
    const json::Value request = json::parse(read_all(0));
    const Fd directory = open_staging(arguments);
    linux_::enter_tool_sandbox(*arguments.uid, directory.get());
    ::umask(022);
    git(request, messages);
}

void run(const Arguments& arguments, Messages& messages) {
    if (arguments.verb == "pull" || arguments.verb == "push" || arguments.verb == "ask" ||
        arguments.verb == "fetch" || arguments.verb == "download")
        return run_online(arguments, messages);
    if (arguments.verb == "git") return run_git(arguments, messages);
    const bool is_save = arguments.verb == "save", is_commit = arguments.verb == "commit";
    // What comes from the daemon is read first: in the sandbox its paths mean nothing.
    const std::set<std::string> known_layers = read_known_layers(arguments.known);
    std::string request;
    if (is_save || is_commit) request = read_file(join(arguments.staging, "request.json"));
    Fd directory = open_staging(arguments);

    linux_::SandboxOptions sandbox;
    sandbox.uid = *arguments.uid;
    sandbox.directory = directory.get();
    sandbox.first_kept_fd = is_save ? first_saved_blob_fd : -1;
    const linux_::SandboxReport report = linux_::enter_sandbox(sandbox);
    // From here on bytes of strangers may be read.

    Staging staging(std::move(directory), arguments.staging);
    archive::FdSource input(0);
    if (arguments.verb == "load")
        load(input, staging, messages, known_layers);
    else if (arguments.verb == "import")
        import_image(input, arguments.import_options, staging, messages, known_layers);
    else if (arguments.verb == "layer")
        take_step_layer(input, staging, messages, known_layers);
    else if (is_commit)
        commit(input, request, staging, messages, known_layers);
    else if (arguments.verb == "unpack")
        unpack(input, 1);
    else if (is_save)
        save(request, 1);
    else if (arguments.verb == "self-check")
        self_check(report, staging);
    else
        throw Error(ErrorKind::invalid_argument, "unknown command {}", arguments.verb);
}

}  // namespace

int run_program(int argument_count, char** words) {
    ::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error like any other
    Messages messages(message_fd);
    try {
        try {
            run(parse_arguments(argument_count, words), messages);
            messages.done();
            return 0;
        } catch (const Error& error) {
            messages.error(error);
        } catch (const std::bad_alloc&) {
            messages.error(Error(ErrorKind::internal, "hull-transfer is out of memory"));
        } catch (const std::exception& error) {
            messages.error(Error(ErrorKind::internal, "{}", error.what()));
        }
    } catch (const Error& error) {  // the daemon is gone, or never was: tell a person
        sys::write_all(2, "hull-transfer: " + error.message() + "\n");
    }
    return 1;
}

}  // namespace hull::transfer
