#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "engine/implementation.hh"

namespace hull::engine {

namespace {

constexpr std::int64_t retry_ns = 1'000'000'000;

}  // namespace

void Engine::Implementation::insert_row(const Record& record) {
    database_.execute("INSERT INTO containers (id, name, definition, state) VALUES (?, ?, ?, ?)",
                      record.id(), record.name, json::dump(to_json(*record.definition)),
                      json::dump(to_json(record.state)));
}

/// Rows go before files do. But on a disk that is full to the last byte the files are the only room
/// there is for the log of their own removal.
void Engine::Implementation::delete_row(const std::string& id) {
    const auto delete_it = [&] { database_.execute("DELETE FROM containers WHERE id = ?", id); };
    try {
        delete_it();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::unavailable) throw;
        log::warning("removing the files of container {} first: {}", id, error.message());
        sys::remove_tree(paths(id).directory);
        delete_it();
    }
}

/// Whether the row says what the record says.
bool Engine::Implementation::write_state(const Container& container) {
    if (container.removed) return true;
    try {
        database_.execute("UPDATE containers SET state = ? WHERE id = ?",
                          json::dump(to_json(container.record->state)), container.id);
        return true;
    } catch (const Error& error) {
        log::warning("container {}: its state is not written yet: {}", container.id,
                     error.message());
        return false;
    }
}

void Engine::Implementation::write_definition(Container& container,
                                              std::shared_ptr<const Definition> definition) {
    std::lock_guard lock(container.mutex);
    if (container.removed) throw Error(ErrorKind::not_found, "No such container: {}", container.id);
    database_.execute("UPDATE containers SET definition = ? WHERE id = ?",
                      json::dump(to_json(*definition)), container.id);
    auto next = std::make_shared<Record>(*container.record);
    next->definition = std::move(definition);
    container.record = std::move(next);
}

void Engine::Implementation::show_state(Container& container,
                                        const std::function<void(RunState&)>& change) {
    auto next = std::make_shared<Record>(*container.record);
    change(next->state);
    container.record = std::move(next);
    log_watch_.ring(paths(container.id).logs);  // who follows its log asks whether it runs
}

void Engine::Implementation::update_state(Container& container,
                                          const std::function<void(RunState&)>& change) {
    show_state(container, change);
    if (!write_state(container) && !std::exchange(container.unsaved, true))
        save_later(container.id);
    container.changed.notify_all();
}

void Engine::Implementation::begin_run(RunState& state, pid_t pid, unsigned long long start_time,
                                       std::int64_t started_ns) const {
    state.phase = Phase::running;
    state.pid = pid;
    state.start_time = start_time;
    state.boot_id = host_.boot_id;
    state.exit_code = 0;
    state.oom_killed = false;
    state.error.clear();
    state.started_ns = started_ns;
    state.stopped_by_user = false;
}

void Engine::Implementation::save_later(const std::string& id) {
    restarter_.run_later(retry_ns, [this, id] {
        ContainerPointer container = table_.find(id);
        if (!container) return;
        std::lock_guard lock(container->mutex);
        container->unsaved = !write_state(*container);
        if (container->unsaved) save_later(id);
    });
}

/// What could not be written for want of space gets a last chance.
void Engine::Implementation::save_unsaved() {
    for (const ContainerPointer& container : table_.list()) {
        std::lock_guard lock(container->mutex);
        if (container->unsaved) write_state(*container);
    }
}

/// Of a container that takes itself away. Its row must go before its files do: while it cannot, the
/// container is kept, but nobody has to wait for that.
void Engine::Implementation::remove_ended(Container& container) {
    try {
        finish_removal(container, true);
    } catch (const Error& error) {
        log::warning("container {} is not removed yet: {}", container.id, error.message());
        answer_waiters(container, true, {container.snapshot()->state.exit_code, ""});
        restarter_.run_later(retry_ns, [this, id = container.id] {
            if (ContainerPointer again = table_.find(id)) remove_ended(*again);
        });
    }
}

void Engine::Implementation::publish(const Record& record, std::string_view action,
                                     std::map<std::string, std::string> extra) {
    api::EventMessage event;
    event.type = "container";
    event.action = action;
    event.actor.id = record.id();
    event.actor.attributes = std::move(extra);
    event.actor.attributes.emplace("image", record.definition->config.image);
    event.actor.attributes.emplace("name", record.name);
    for (const auto& [name, value] : record.definition->config.labels)
        event.actor.attributes.emplace(name, value);
    events.publish(std::move(event));
}

}  // namespace hull::engine
