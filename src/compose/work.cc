#include "compose/work.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "compose/values.hh"

#include <poll.h>

#include <algorithm>
#include <array>

namespace hull::compose {
namespace {

const Node& hooks_of(const Project* project, const Container& container, const char* key) {
    static const Node none;
    const Node* service = project ? project->services().find(container.service) : nullptr;
    return service ? (*service)[key] : none;
}

/// Asks again and again, faster at first, until `ask` is true. False when the time is up.
bool poll_until(std::optional<int> timeout_s, const std::function<bool()>& ask) {
    const std::int64_t begin = monotonic_ns();
    int pause_ms = 5;
    while (!ask()) {
        if (timeout_s && monotonic_ns() - begin > *timeout_s * 1'000'000'000LL) return false;
        ::poll(nullptr, 0, pause_ms);
        pause_ms = std::min(pause_ms * 3 / 2 + 1, 250);
    }
    return true;
}

/// Output of a hook, for its error.
std::string read_output(int fd) {
    std::string text;
    std::array<std::byte, 4096> buffer;
    while (const std::size_t count = sys::read(fd, buffer))
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
    return text;
}

}  // namespace

void start_container(client::Client& daemon, const Work& work, const Container& container,
                     const Project* project) {
    work.reporter->event("Container", container.name, "Starting");
    with_context([&] { daemon.start_container(container.id); }, "container {}", container.name);
    run_hooks(daemon, container, hooks_of(project, container, "post_start"), "post_start");
    work.reporter->event("Container", container.name, "Started");
}

void stop_container(client::Client& daemon, const Work& work, const Container& container,
                    std::optional<int> timeout_s, const Project* project) {
    if (!container.is_running()) return;
    work.reporter->event("Container", container.name, "Stopping");
    if (container.state == "running")
        run_hooks(daemon, container, hooks_of(project, container, "pre_stop"), "pre_stop");
    daemon.stop_container(container.id, "", timeout_s);
    work.reporter->event("Container", container.name, "Stopped");
}

void remove_container(client::Client& daemon, const Work& work, const Container& container,
                      bool force, bool volumes) {
    work.reporter->event("Container", container.name, "Removing");
    try {
        daemon.remove_container(container.id, force, volumes);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;  // somebody else was faster
    }
    work.reporter->event("Container", container.name, "Removed");
}

void run_hooks(client::Client& daemon, const Container& container, const Node& hooks,
               const std::string& name) {
    for (const Node& hook : hooks.items) {
        api::ExecCreateRequest request;
        request.cmd.assign(hook["command"].items.size(), "");
        const std::vector<std::string> words = hook["command"].to_texts();
        std::copy(words.begin(), words.end(), request.cmd.begin());
        request.user = hook["user"].text;
        request.privileged = hook["privileged"].is_true();
        request.working_dir = hook["working_dir"].text;
        for (const Member& member : hook["environment"].members)
            request.env.push_back(member.key + "=" + member.value.to_text());
        request.attach_stdout = request.attach_stderr = true;
        const std::string id = daemon.create_exec(container.id, request);
        const client::Connection connection = daemon.start_exec(id, {});
        const std::string output = read_output(connection.fd.get());
        std::int64_t code = 0;
        poll_until(10, [&] {
            const api::ExecInspect exec = daemon.inspect_exec(id);
            code = exec.exit_code.value_or(0);
            return !exec.running;
        });
        if (code != 0)
            throw Error(ErrorKind::internal, "{}: {} hook exited with status code {}{}",
                        container.name, name, code,
                        output.size() > 8 ? ": " + output.substr(8, 200) : "");
    }
}

void wait_for_condition(client::Client& daemon, const Work& work, const Container& container,
                        const std::string& condition, std::optional<int> timeout_s) {
    const bool completed = condition == "service_completed_successfully";
    const auto fail = [&](std::string_view what) {
        throw Error(ErrorKind::unavailable, "dependency failed to start: container {} {}",
                    container.name, what);
    };
    work.reporter->event("Container", container.name, "Waiting");
    std::string final_state;
    const bool in_time = poll_until(timeout_s, [&] {
        const api::State state = daemon.inspect_container(container.id).state;
        if (completed) {
            if (state.status != "exited" && state.status != "dead") return false;
            if (state.exit_code != 0)
                throw Error(ErrorKind::unavailable,
                            "service \"{}\" didn't complete successfully: exit {}",
                            container.service, state.exit_code);
            final_state = "Exited";
            return true;
        }
        if (state.status == "exited" || state.status == "dead")
            fail(fmt::format("exited ({})", state.exit_code));
        if (!state.health) fail("has no healthcheck configured");
        if (state.health->status == "unhealthy") fail("is unhealthy");
        final_state = "Healthy";
        return state.health->status == "healthy";
    });
    if (!in_time)
        throw Error(ErrorKind::unavailable, "timeout waiting for dependencies: container {}",
                    container.name);
    work.reporter->event("Container", container.name, final_state);
}

void wait_until_ready(client::Client& daemon, const Work& work, const Container& container,
                      std::optional<int> timeout_s) {
    work.reporter->event("Container", container.name, "Waiting");
    bool has_check = false;
    const bool in_time = poll_until(timeout_s, [&] {
        const api::State state = daemon.inspect_container(container.id).state;
        if (state.status == "exited" || state.status == "dead") {
            throw Error(ErrorKind::unavailable, "container {} exited ({})", container.name,
                        state.exit_code);
        }
        has_check = state.health && state.health->status != "none";
        if (!has_check) return state.running;
        if (state.health->status == "unhealthy")
            throw Error(ErrorKind::unavailable, "container {} is unhealthy", container.name);
        return state.health->status == "healthy";
    });
    if (!in_time)
        throw Error(ErrorKind::unavailable, "application not healthy after {}s: container {}",
                    *timeout_s, container.name);
    work.reporter->event("Container", container.name, "Healthy");
}

void refuse_other_directories(const State& state, const Project& project) {
    if (state.other_directories.empty()) return;
    throw Error(ErrorKind::conflict,
                "a project named {0} of another directory ({1}) has containers: give this one "
                "another name (-p or name:), or remove that one first "
                "(compose --project-directory {1} -p {0} down)",
                project.name, state.other_directories[0]);
}

}  // namespace hull::compose
