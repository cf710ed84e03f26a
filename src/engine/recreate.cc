#include "base/error.hh"
#include "base/log.hh"
#include "engine/implementation.hh"
#include "engine/merge.hh"
#include "engine/mounts.hh"
#include "engine/text.hh"
#include "engine/validate.hh"

#include <algorithm>

namespace hull::engine {

namespace {

/// What an environment's entry or a label is called.
std::string name_of(const std::string& entry) { return entry.substr(0, entry.find('=')); }

void change_environment(api::Strings& environment, const RecreateRequest& request,
                        RecreateReport& report) {
    const auto is_named = [](const std::string& name) {
        return [&name](const std::string& entry) { return name_of(entry) == name; };
    };
    for (const std::string& name : request.environment_removed) {
        if (std::none_of(environment.begin(), environment.end(), is_named(name)))
            throw Error(ErrorKind::invalid_argument, "the container has no variable {}", name);
        std::erase_if(environment, is_named(name));
        report.restarting.push_back("environment " + name);
    }
    for (const std::string& entry : request.environment) {
        const std::string name = name_of(entry);
        if (name.empty() || name == entry || entry.find('\0') != std::string::npos)
            throw Error(ErrorKind::invalid_argument, "invalid environment variable: {}", entry);
        const auto found = std::find_if(environment.begin(), environment.end(), is_named(name));
        if (found != environment.end() && *found == entry) continue;
        if (found == environment.end())
            environment.push_back(entry);
        else
            *found = entry;
        report.restarting.push_back("environment " + name);
    }
}

void change_labels(api::StringMap& labels, const RecreateRequest& request, RecreateReport& report) {
    for (const std::string& name : request.labels_removed) {
        if (labels.erase(name) == 0)
            throw Error(ErrorKind::invalid_argument, "the container has no label {}", name);
        report.live.push_back("label " + name);
    }
    for (const auto& [name, value] : request.labels) {
        const auto found = labels.find(name);
        if (found != labels.end() && found->second == value) continue;
        labels[name] = value;
        report.live.push_back("label " + name);
    }
}

/// "SOURCE:DESTINATION[:MODE]"
std::string destination_of(const std::string& bind) {
    const std::size_t first = bind.find(':');
    if (first == std::string::npos) return clean_path(bind);
    return clean_path(bind.substr(first + 1, bind.find(':', first + 1) - first - 1));
}

/// Out of everything that inspect shows and a start reads.
void remove_mount(Definition& definition, const std::string& target) {
    api::HostConfig& host = definition.host;
    std::erase_if(host.binds,
                  [&](const std::string& bind) { return destination_of(bind) == target; });
    std::erase_if(host.mounts,
                  [&](const api::Mount& mount) { return clean_path(mount.target) == target; });
    std::erase_if(host.tmpfs, [&](const auto& entry) { return clean_path(entry.first) == target; });
    std::erase_if(definition.config.volumes,
                  [&](const std::string& volume) { return clean_path(volume) == target; });
    std::erase_if(definition.plan,
                  [&](const PlannedMount& mount) { return mount.destination == target; });
}

struct MountChanges {
    std::vector<PlannedMount> added, removed;
};

MountChanges change_mounts(Definition& definition, const RecreateRequest& request,
                           RecreateReport& report) {
    MountChanges changes;
    for (const std::string& given : request.mounts_removed) {
        const std::string target = clean_path(given);
        const auto found =
            std::find_if(definition.plan.begin(), definition.plan.end(),
                         [&](const PlannedMount& mount) { return mount.destination == target; });
        if (found == definition.plan.end())
            throw Error(ErrorKind::invalid_argument, "nothing is mounted at {}", target);
        changes.removed.push_back(*found);
        remove_mount(definition, target);
        report.restarting.push_back("mount " + target);
    }
    if (request.mounts.empty()) return changes;
    api::HostConfig only_new;
    only_new.mounts = request.mounts;
    changes.added = plan_mounts({}, only_new);
    check_bind_sources(changes.added);
    for (PlannedMount& mount : changes.added) {
        if (std::any_of(
                definition.plan.begin(), definition.plan.end(),
                [&](const PlannedMount& other) { return other.destination == mount.destination; }))
            throw Error(ErrorKind::invalid_argument, "Duplicate mount point: {}",
                        mount.destination);
        if (mount.type == PlannedMount::Type::image)
            throw Error(ErrorKind::unsupported, "an image cannot be mounted by update yet");
        report.restarting.push_back("mount " + mount.destination);
    }
    for (const api::Mount& mount : request.mounts) definition.host.mounts.push_back(mount);
    return changes;
}

/// A parent comes before what is mounted below it.
void add_to_plan(std::vector<PlannedMount>& plan, const std::vector<PlannedMount>& added) {
    plan.insert(plan.end(), added.begin(), added.end());
    std::stable_sort(plan.begin(), plan.end(), [](const PlannedMount& a, const PlannedMount& b) {
        return std::count(a.destination.begin(), a.destination.end(), '/') <
               std::count(b.destination.begin(), b.destination.end(), '/');
    });
}

}  // namespace

/// Stops it when it runs. Afterwards container.operation is ours and it does not run.
std::unique_lock<std::mutex> Engine::Implementation::stop_for_recreate(Container& container) {
    constexpr int attempts = 5;
    for (int i = 0; i < attempts; ++i) {
        try {
            stop(container.id, std::nullopt, std::nullopt, "update");
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_modified) throw;
        }
        std::unique_lock operation(container.operation);
        const RecordPointer record = container.snapshot();
        if (!record->state.is_running() && record->state.phase != Phase::restarting)
            return operation;
    }
    throw Error(ErrorKind::conflict, "container {} is started again and again meanwhile",
                container.id);
}

RecreateReport Engine::Implementation::recreate(const std::string& name,
                                                const RecreateRequest& request) {
    ContainerPointer container = table_.get(name);
    RecordPointer before = container->snapshot();
    RecreateReport report;
    auto definition = std::make_shared<Definition>(*before->definition);
    change_labels(definition->config.labels, request, report);
    change_environment(definition->config.env, request, report);
    if (request.command && *request.command != definition->config.cmd) {
        definition->config.cmd = *request.command;
        report.restarting.push_back("command");
    }
    const std::vector<std::string> words = command_line(definition->config);
    definition->path = words.front();
    definition->args.assign(words.begin() + 1, words.end());
    MountChanges mounts = change_mounts(*definition, request, report);
    report.was_running = before->state.is_running() || before->state.phase == Phase::restarting;
    if (request.dry_run || (report.live.empty() && report.restarting.empty())) return report;

    const bool restarts = report.was_running && !report.restarting.empty();
    struct KeepOnExit {
        Container& container;
        explicit KeepOnExit(Container& kept) : container(kept) { set(true); }
        ~KeepOnExit() { set(false); }
        void set(bool value) {
            std::lock_guard lock(container.mutex);
            container.keep_on_exit = value;  // a --rm container survives it
        }
    } keep(*container);
    std::unique_lock<std::mutex> operation;
    if (restarts)
        operation = stop_for_recreate(*container);
    else
        operation = std::unique_lock(container->operation);
    if (container->snapshot()->definition != before->definition)
        throw Error(ErrorKind::conflict, "container {} has been changed meanwhile: try again",
                    before->name);
    volumes.take(mounts.added, container->id);
    add_to_plan(definition->plan, mounts.added);
    definition->mounts = to_mount_points(definition->plan);
    try {
        write_definition(*container, definition);
        if (restarts) start_locked(*container);
    } catch (const Error& error) {
        undo_recreate(*container, before, mounts.added, restarts);
        throw Error(error.kind(), "Cannot update container {}: {}; it is as it was before",
                    before->name, error.message());
    }
    volumes.give_back(mounts.removed, container->id, true);
    publish(*container->snapshot(), "update");
    return report;
}

void Engine::Implementation::undo_recreate(Container& container, const RecordPointer& before,
                                           const std::vector<PlannedMount>& added, bool restarts) {
    try {
        write_definition(container, before->definition);
        volumes.give_back(added, container.id, true);
        if (restarts && !container.snapshot()->state.is_running()) start_locked(container);
    } catch (const Error& error) {
        log::error("container {}: going back to what it was before an update: {}", container.id,
                   error.message());
    }
}

}  // namespace hull::engine
