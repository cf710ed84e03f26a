#include "engine/files_run.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "base/lines.hh"
#include "base/log.hh"
#include "base/process.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <unistd.h>

namespace hull::engine {

namespace {

constexpr std::size_t max_line_bytes = 1UL << 20;

}  // namespace

void run_files(const FilesCommand& command,
               const std::function<void(const std::optional<files::PathStat>&)>& ready,
               StopEvent* stop) {
    files::Request request = command.request;
    request.parent_pid = ::getpid();
    const Fd request_file = make_memory_file("hull-files request", files::dump_request(request));
    sys::Pipe channel = sys::pipe();
    const Fd null = sys::open("/dev/null", O_RDWR);
    Command spawn;
    spawn.arguments = {command.program};
    spawn.environment.emplace();
    spawn.descriptors = {
        {command.input_fd >= 0 ? command.input_fd : null.get(), 0},
        {command.output_fd >= 0 ? command.output_fd : null.get(), 1},
        {channel.write_end.get(), 3},
        {request_file.get(), 4},
    };
    if (command.root_fd >= 0) spawn.descriptors.push_back({command.root_fd, 5});
    if (command.namespace_fd >= 0) spawn.descriptors.push_back({command.namespace_fd, 6});
    spawn.new_session = true;
    Process process = Process::spawn(spawn);  // killed and reaped when anything below throws
    channel.write_end.reset();

    std::optional<Error> failure;
    bool is_done = false;
    read_lines(channel.read_end.get(), stop, max_line_bytes, [&](std::string_view line) {
        const json::Value message = json::parse(line);
        if (command.on_message) command.on_message(message);
        if (const json::Value* found = message.as_object().find("ready")) {
            if (found->is_null())
                ready(std::nullopt);
            else
                ready(files::parse_path_stat(*found));
        }
        if (message["warning"].is_string())
            log::warning("container {}: {}", request.container, message["warning"].as_string());
        if (const json::Value& error = message["error"]; error.is_object())
            failure = Error(parse_error_kind(error["kind"].as_string()), "{}",
                            error["message"].as_string());
        if (message["done"].is_bool()) is_done = true;
    });
    const ExitStatus status = process.wait();
    if (failure) throw *failure;
    if (!is_done)
        throw Error(ErrorKind::internal, "hull-files ended with {} {} before it was done",
                    status.signal ? "signal" : "exit code",
                    status.signal ? status.signal : status.code);
}

}  // namespace hull::engine
