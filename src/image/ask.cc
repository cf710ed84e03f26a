#include "base/error.hh"
#include "base/sys.hh"
#include "image/images.hh"
#include "image/transfer_run.hh"

namespace hull::image {

/// hull-transfer's answer to one question (transfer/ask.hh).
json::Value Images::ask_registry(json::Object question, const RegistryAccess& access,
                                 StopEvent* stop) {
    json::Object request = registry_request(access, 1);
    for (auto& [name, value] : question) request[name] = std::move(value);
    const store::StagingDirectory staging = store_.make_staging(options_.transfer_uid);
    TransferCommand command;
    command.program = options_.transfer_program;
    command.verb = "ask";
    command.uid = options_.transfer_uid;
    command.staging = staging.path();
    return ask_transfer(std::move(command), request, stop);
}

}  // namespace hull::image
