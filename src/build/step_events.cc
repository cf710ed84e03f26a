#include "build/step_events.hh"

namespace hull::build {

void StepEvents::send(json::Value aux) {
    if (!wanted_) return;
    api::ProgressMessage message;
    message.aux = std::move(aux);
    const std::lock_guard lock(mutex_);
    sink_(message);
}

void StepEvents::plan(json::Value stages, std::size_t count) {
    send(json::Object{{"plan", json::Object{{"count", count}, {"stages", std::move(stages)}}}});
}

void StepEvents::tell(std::size_t step, const char* name, json::Value value) {
    send(json::Object{{"step", step}, {name, std::move(value)}});
}

}  // namespace hull::build
