#include "base/error.hh"
#include "base/log.hh"
#include "engine/implementation.hh"
#include "engine/signals.hh"

#include <algorithm>
#include <csignal>
#include <thread>

namespace hull::engine {

void Engine::Implementation::reload(Reloaded options,
                                    std::map<std::string, std::string> attributes) {
    {
        const auto locked = reloaded_.lock();
        *locked = std::move(options);
    }
    api::EventMessage event;
    event.type = "daemon";
    event.action = "reload";
    event.actor = {daemon_id_, std::move(attributes)};
    event.actor.attributes["name"] = host_.name;
    events.publish(std::move(event));
}

void Engine::Implementation::stop_for_shutdown(Container& container, int timeout_s) {
    // A start in flight is waited for, so that there is something to stop.
    std::lock_guard operation(container.operation);
    const RecordPointer record = container.snapshot();
    if (!record->state.is_running()) return;
    const api::ContainerConfig& config = record->definition->config;
    const int signal_number =
        config.stop_signal.empty() ? SIGTERM : parse_signal(config.stop_signal);
    // Negative is no limit.
    const int own_s = static_cast<int>(config.stop_timeout.value_or(timeout_s));
    int seconds = std::min(own_s, timeout_s);
    if (own_s < 0 || timeout_s < 0) seconds = std::max(own_s, timeout_s);
    stop_locked_out(container, signal_number, seconds, "daemon shutdown");
}

void Engine::Implementation::shut_down(int timeout_s) {
    shutting_down_ = true;  // nothing starts again: neither by its policy nor by a health check
    std::vector<std::thread> stops;
    for (const ContainerPointer& container : table_.list()) {
        if (!container->snapshot()->state.is_running()) continue;
        stops.emplace_back([this, container, timeout_s] {
            try {
                stop_for_shutdown(*container, timeout_s);
            } catch (const std::exception& error) {
                log::error("stopping container {}: {}", container->id, error.what());
            }
        });
    }
    for (std::thread& stop : stops) stop.join();
}

}  // namespace hull::engine
