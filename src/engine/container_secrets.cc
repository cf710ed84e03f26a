#include "engine/implementation.hh"

#include <algorithm>

namespace hull::engine {

std::vector<StagedMounts::SecretFile> Engine::Implementation::secret_files(
    const Definition& definition) const {
    std::vector<StagedMounts::SecretFile> files;
    for (const api::SecretUse& use : definition.host.secrets) {
        if (!use.env.empty()) continue;
        files.push_back({use.target, secrets.read(use.source),
                         static_cast<uid_t>(use.uid.value_or(0)),
                         static_cast<gid_t>(use.gid.value_or(0)),
                         static_cast<mode_t>(use.mode.value_or(0400))});
    }
    return files;
}

std::string Engine::Implementation::find_secret_user(const std::string& secret) {
    for (const ContainerPointer& container : table_.list()) {
        const RecordPointer record = container->snapshot();
        const auto& uses = record->definition->host.secrets;
        if (std::any_of(uses.begin(), uses.end(),
                        [&](const api::SecretUse& use) { return use.source == secret; }))
            return record->name;
    }
    return "";
}

void Engine::Implementation::publish_secret(std::string_view action, const api::Secret& secret) {
    api::EventMessage event;
    event.type = "secret";
    event.action = action;
    event.actor.id = secret.id;
    event.actor.attributes["name"] = secret.spec.name;
    events.publish(std::move(event));
}

}  // namespace hull::engine
