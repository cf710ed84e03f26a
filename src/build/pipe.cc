#include "base/error.hh"
#include "base/sys.hh"
#include "build/stage_run.hh"

#include <cerrno>
#include <cstring>
#include <thread>

namespace hull::build {

void run_pipe(const std::function<void(int)>& write, const std::function<void(int)>& read,
              StopEvent& stop_writer) {
    sys::Pipe pipe = sys::pipe();
    std::optional<Error> write_failure, read_failure;
    const auto keep = [](std::optional<Error>& failure, const auto& body) {
        try {
            body();
        } catch (const Error& error) {
            failure = error;
        } catch (const std::exception& error) {
            failure = Error(ErrorKind::internal, "{}", error.what());
        }
    };
    std::thread writer([&, output = std::move(pipe.write_end)]() mutable {
        keep(write_failure, [&] { write(output.get()); });
        output.reset();
    });
    keep(read_failure, [&] { read(pipe.read_end.get()); });
    if (read_failure && read_failure->kind() != ErrorKind::data_loss) stop_writer.request();
    pipe.read_end.reset();
    writer.join();
    // A reader that only missed the end of what it read is not the reason.
    const bool writer_was_stopped =
        write_failure && read_failure && read_failure->kind() != ErrorKind::data_loss &&
        (write_failure->kind() == ErrorKind::cancelled || write_failure->error_number() == EPIPE ||
         // Of another program only the text comes here.
         write_failure->message().ends_with(std::strerror(EPIPE)));
    if (write_failure && !writer_was_stopped) throw *write_failure;
    if (read_failure) throw *read_failure;
}

}  // namespace hull::build
