#include "runtime/hooks.hh"
#include "runtime/init.hh"

#include <unistd.h>

namespace hull::runtime {
namespace {

ContainerStatus status_of(const InitContext& context, std::string_view status) {
    return {context.spec->oci_version, context.id, std::string(status), ::getpid(), context.bundle,
            context.spec->annotations};
}

}  // namespace

void run_create_hooks(InitContext& context) {
    const oci::Hooks& hooks = context.spec->hooks;
    if (!hooks.prestart.empty() || !hooks.create_runtime.empty()) {
        context.channel.send(MessageType::run_hooks);
        std::optional<Message> answer = context.channel.receive();
        if (!answer || answer->type != MessageType::hooks_done)
            throw Error(ErrorKind::cancelled, "the runtime went away");
    }
    run_hooks(hooks.create_container, "createContainer", status_of(context, "creating"));
}

void run_start_hooks(InitContext& context) {
    run_hooks(context.spec->hooks.start_container, "startContainer", status_of(context, "created"));
}

}  // namespace hull::runtime
