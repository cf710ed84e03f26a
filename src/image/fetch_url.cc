#include "base/error.hh"
#include "base/sys.hh"
#include "image/images.hh"
#include "image/transfer_run.hh"

#include <atomic>
#include <exception>
#include <thread>

namespace hull::image {

/// One hull-transfer fetches, another, which has no network, reads what came.
std::string Images::import_url(const std::string& url, const ImportOptions& options,
                               const RegistryAccess& access, const ProgressSink& progress,
                               StopEvent* stop) {
    json::Object request = registry_request(access, 1);
    request["url"] = url;
    const store::StagingDirectory staging = store_.make_staging(options_.transfer_uid);
    const Fd input = make_memory_file("fetch", json::dump(std::move(request)));
    sys::Pipe pipe = sys::pipe();
    std::exception_ptr failure;
    std::atomic<bool> has_failed = false;
    std::thread fetcher([&] {
        TransferCommand command;
        command.program = options_.transfer_program;
        command.verb = "fetch";
        command.uid = options_.transfer_uid;
        command.staging = staging.path();
        command.input_fd = input.get();
        command.output_fd = pipe.write_end.get();
        command.on_message = [&](const json::Value& message) {
            if (!message["state"].is_object()) return false;
            if (progress) progress(parse_progress(message["state"]));
            return true;
        };
        try {
            run_transfer(command, nullptr, stop);
        } catch (...) {
            failure = std::current_exception();
            has_failed = true;
        }
        pipe.write_end.reset();  // only now can the reader see the end
    });
    std::string id;
    std::exception_ptr refusal;
    try {
        id = import_image(pipe.read_end.get(), options, stop, [&] {
            fetcher.join();
            if (failure) std::rethrow_exception(failure);
        });
    } catch (...) {
        // A fetch that failed explains why the archive was cut short.
        if (!has_failed) refusal = std::current_exception();
    }
    pipe.read_end.reset();  // a fetch that goes on ends by it
    if (fetcher.joinable()) fetcher.join();
    if (refusal) std::rethrow_exception(refusal);
    if (failure) std::rethrow_exception(failure);
    return id;
}

}  // namespace hull::image
