#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/implementation.hh"
#include "engine/text.hh"

namespace hull::engine {

namespace {

std::string action_text(std::string_view action, const api::ExecCreateRequest& request) {
    std::string text(action);
    text += ":";
    for (const std::string& word : request.cmd) text += " " + word;
    return text;
}

}  // namespace

ExecPointer Engine::Implementation::get_exec(const std::string& exec_id) {
    auto execs = execs_.lock();
    auto position = execs->find(exec_id);
    if (position == execs->end())
        throw Error(ErrorKind::not_found, "No such exec instance: {}", exec_id);
    return position->second;
}

void Engine::Implementation::publish_exec(const Exec& exec, std::string action,
                                          std::map<std::string, std::string> extra) {
    ContainerPointer container = table_.find(exec.container_id);
    if (!container) return;
    extra["execID"] = exec.id;
    publish(*container->snapshot(), action, std::move(extra));
}

/// The last 200 execs that have ended can always be inspected, five times as many for five minutes.
/// One that was never started is kept for an hour.
void Engine::Implementation::forget_old_execs() {
    constexpr std::size_t always_kept = 200, kept_for_a_while = 1000;
    constexpr std::int64_t second_ns = 1'000'000'000;
    constexpr std::int64_t kept_ns = 300 * second_ns, kept_unstarted_ns = 3600 * second_ns;
    std::vector<ExecPointer> forgotten;
    {
        auto execs = execs_.lock();
        if (execs->size() <= always_kept || execs->size() % 64 != 0) return;
        std::multimap<std::int64_t, ExecPointer> idle;  // by age, oldest first
        for (const auto& [id, exec] : *execs) {
            const std::lock_guard lock(exec->mutex);
            if (exec->finished_ns != 0)
                idle.emplace(exec->finished_ns, exec);
            else if (!exec->started)
                idle.emplace(exec->created_ns + kept_unstarted_ns - kept_ns, exec);
        }
        const std::int64_t now = monotonic_ns();
        std::size_t left = idle.size();
        for (const auto& [since_ns, exec] : idle) {
            const bool is_old = now - since_ns > kept_ns && left > always_kept;
            if (!is_old && left <= kept_for_a_while) break;
            execs->erase(exec->id);
            forgotten.push_back(exec);
            --left;
        }
    }
    for (const ExecPointer& exec : forgotten)
        if (ContainerPointer container = table_.find(exec->container_id)) {
            std::lock_guard lock(container->mutex);
            container->exec_ids.erase(exec->id);
        }
}

std::string Engine::Implementation::create_exec(const std::string& name,
                                                const api::ExecCreateRequest& request) {
    ContainerPointer container = table_.get(name);
    RecordPointer record = container->snapshot();
    if (record->state.phase == Phase::paused)
        throw Error(ErrorKind::conflict,
                    "Container {} is paused, unpause the container before exec", name);
    if (record->state.phase == Phase::restarting)
        throw Error(ErrorKind::conflict,
                    "Container {} is restarting, wait until the container is running",
                    container->id);
    if (!record->state.is_running())
        throw Error(ErrorKind::conflict, "Container {} is not running", container->id);
    if (request.cmd.empty()) throw Error(ErrorKind::invalid_argument, "No exec command specified");
    if (!request.working_dir.empty() && !request.working_dir.starts_with('/'))
        throw Error(ErrorKind::invalid_argument,
                    "the working directory '{}' is invalid, it needs to be an absolute path",
                    request.working_dir);
    parse_detach_keys(request.detach_keys);
    forget_old_execs();
    auto exec = std::make_shared<Exec>();
    exec->id = random_hex(32);
    exec->container_id = container->id;
    exec->created_ns = monotonic_ns();
    exec->request = request;
    execs_.lock()->emplace(exec->id, exec);
    {
        std::lock_guard lock(container->mutex);
        container->exec_ids.insert(exec->id);
    }
    publish_exec(*exec, action_text("exec_create", request), {});
    return exec->id;
}

void Engine::Implementation::start_exec(const std::string& exec_id, const ExecStartOptions& options,
                                        const Upgrade& upgrade) {
    ExecPointer exec = get_exec(exec_id);
    ContainerPointer container = table_.get(exec->container_id);
    RecordPointer record = container->snapshot();
    if (record->state.phase == Phase::paused)
        throw Error(ErrorKind::conflict,
                    "Container {} is paused, unpause the container before exec", record->name);
    if (!record->state.is_running())
        throw Error(ErrorKind::conflict, "Container {} is not running", container->id);
    {
        std::lock_guard lock(exec->mutex);
        if (exec->started)
            throw Error(ErrorKind::conflict, "Error: Exec command {} has already run", exec_id);
        exec->started = true;
        exec->running = true;
    }
    const api::ExecCreateRequest& request = exec->request;
    const SeccompChoice seccomp = {};
    task::ExecRequest launch;
    launch.exec_id = exec_id;
    launch.terminal = request.tty;
    launch.open_stdin = request.attach_stdin && !options.detach;
    launch.privileged = request.privileged;
    launch.rows = options.rows;
    launch.columns = options.columns;
    if (launch.rows == 0 && request.console_size) {
        launch.rows = static_cast<unsigned short>((*request.console_size)[0]);
        launch.columns = static_cast<unsigned short>((*request.console_size)[1]);
    }

    std::optional<task::Attachment> attachment;
    Fd client;  // kept to tell a client that has been upgraded what went wrong
    auto fail = [&](const std::string& message, int exit_code, ErrorKind kind) {
        {
            std::lock_guard lock(exec->mutex);
            exec->running = false;
            exec->exit_code = exit_code;
            exec->finished_ns = monotonic_ns();
        }
        if (!client) throw Error(kind, "{}", message);
        const std::string text = message + "\r\n";
        std::string framed(8, '\0');
        framed[0] = 1;
        framed[6] = static_cast<char>(text.size() >> 8 & 0xff);
        framed[7] = static_cast<char>(text.size() & 0xff);
        try {
            sys::write_all(client.get(), request.tty ? text : framed + text);
        } catch (const Error&) {  // the client is gone
        }
    };

    try {
        launch.process = make_exec_process(spec_inputs(*record->definition, seccomp), request);
        if (!options.detach) {
            attachment.emplace();
            attachment->use_stdin = request.attach_stdin;
            attachment->use_stdout = request.attach_stdout;
            attachment->use_stderr = request.attach_stderr;
            attachment->multiplexed = !request.tty;
            attachment->detach_keys = parse_detach_keys(request.detach_keys);
            attachment->socket = upgrade(request.tty);
            client = sys::dup(attachment->socket.get());
        }
        publish_exec(*exec, action_text("exec_start", request), {});
        task::StartResult result = tasks_.exec(container->id, launch, std::move(attachment));
        if (!result.error.empty()) {
            fail(result.error, result.exit_code,
                 result.exit_code == 125 ? ErrorKind::internal : ErrorKind::invalid_argument);
            return;
        }
        std::lock_guard lock(exec->mutex);
        exec->pid = result.pid;
    } catch (const Error& error) {
        bool failed_already = false;
        {
            std::lock_guard lock(exec->mutex);
            failed_already = !exec->running;
        }
        if (failed_already) throw;
        fail(error.message(), 126, error.kind());
    }
}

void Engine::Implementation::on_exec_exit(const std::string&, const std::string& exec_id,
                                          int code) {
    if (prober_.ended(exec_id, code)) return;
    ExecPointer exec;
    {
        auto execs = execs_.lock();
        auto position = execs->find(exec_id);
        if (position == execs->end()) return;
        exec = position->second;
    }
    {
        std::lock_guard lock(exec->mutex);
        if (exec->exit_code) return;
        exec->running = false;
        exec->exit_code = code;
        exec->finished_ns = monotonic_ns();
    }
    publish_exec(*exec, "exec_die", {{"exitCode", std::to_string(code)}});
}

/// The container is gone and everything in it was killed.
void Engine::Implementation::end_execs(Container& container) {
    std::set<std::string> ids;
    {
        std::lock_guard lock(container.mutex);
        ids = std::move(container.exec_ids);
        container.exec_ids.clear();
    }
    for (const std::string& id : ids) on_exec_exit(container.id, id, 137);
}

api::ExecInspect Engine::Implementation::inspect_exec(const std::string& exec_id) {
    ExecPointer exec = get_exec(exec_id);
    if (!table_.find(exec->container_id))
        throw Error(ErrorKind::not_found, "No such exec instance: {}", exec_id);
    const api::ExecCreateRequest& request = exec->request;
    api::ExecInspect view;
    view.id = exec->id;
    view.container_id = exec->container_id;
    view.process_config.tty = request.tty;
    view.process_config.entrypoint = request.cmd.front();
    view.process_config.arguments.assign(request.cmd.begin() + 1, request.cmd.end());
    view.process_config.privileged = request.privileged;
    view.process_config.user = request.user;
    view.open_stdin = request.attach_stdin;
    view.open_stdout = request.attach_stdout;
    view.open_stderr = request.attach_stderr;
    view.detach_keys = request.detach_keys;
    std::lock_guard lock(exec->mutex);
    view.running = exec->running;
    if (exec->exit_code) view.exit_code = *exec->exit_code;
    view.pid = exec->running ? exec->pid : 0;  // it may be somebody else's by now
    return view;
}

void Engine::Implementation::resize_exec(const std::string& exec_id, unsigned short rows,
                                         unsigned short columns) {
    ExecPointer exec = get_exec(exec_id);
    {
        std::lock_guard lock(exec->mutex);
        if (!exec->running) throw Error(ErrorKind::conflict, "Exec {} is not running", exec_id);
    }
    tasks_.resize(exec->container_id, exec_id, rows, columns);
}

}  // namespace hull::engine
