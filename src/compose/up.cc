#include "compose/up.hh"

#include "archive/tar_writer.hh"
#include "base/error.hh"
#include "base/locked.hh"
#include "base/time.hh"
#include "compose/labels.hh"
#include "compose/parallel.hh"
#include "compose/request.hh"
#include "compose/values.hh"

#include <poll.h>

#include <algorithm>

namespace hull::compose {
namespace {

std::string archive_of(const std::vector<InjectedFile>& files) {
    std::string bytes;
    archive::TarWriter writer([&](std::span<const std::byte> piece) {
        bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    });
    for (const InjectedFile& file : files) {
        archive::Entry entry;
        entry.name = file.target.substr(file.target.find_first_not_of('/'));
        entry.mode = file.mode;
        entry.uid = file.uid;
        entry.gid = file.gid;
        entry.size = file.content.size();
        writer.add_file(entry, file.content);
    }
    writer.finish();
    return bytes;
}

void inject(client::Client& daemon, const std::string& id, const std::vector<InjectedFile>& files) {
    if (files.empty()) return;
    const std::string bytes = archive_of(files);
    std::size_t sent = 0;
    daemon
        .upload(
            "PUT", "/containers/" + id + "/archive", {{"path", "/"}, {"copyUIDGID", "true"}},
            "application/x-tar",
            [&](std::span<std::byte> buffer) {
        const std::size_t count = std::min(buffer.size(), bytes.size() - sent);
        std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()) + sent, count, buffer.begin());
        sent += count;
        return count;
            })
        .read_all();
}

/// Anonymous volumes of a container, to hand on to its successor: target -> name.
std::map<std::string, std::string> anonymous_volumes(client::Client& daemon,
                                                     const Container& container,
                                                     const Node& service) {
    std::map<std::string, std::string> kept;
    std::set<std::string> named;
    for (const Node& mount : service["volumes"].items)
        if (!mount["source"].text.empty()) named.insert(mount["target"].text);
    for (const api::MountPoint& mount : daemon.inspect_container(container.id).mounts)
        if (mount.type == "volume" && !named.contains(mount.destination) && mount.name.size() == 64)
            kept[mount.destination] = mount.name;
    return kept;
}

void rename(client::Client& daemon, const std::string& id, const std::string& name) {
    daemon.post("/containers/" + id + "/rename", {{"name", name}});
}

/// What the jobs of one `up` share.
class Application {
public:
    Application(const Work& work, const Project& project, const Plan& plan,
                const std::map<std::string, std::string>& image_ids, const UpOptions& options,
                const Created& created)
        : work_(work),
          project_(project),
          plan_(plan),
          image_ids_(image_ids),
          options_(options),
          created_(created) {
        auto known = containers_.lock();
        for (const auto& [service, changes] : plan.services)
            for (const ContainerChange& change : changes)
                if (change.existing && change.change != Change::remove)
                    (*known)[service][change.number] = *change.existing;
        if (!plan.is_empty() && is_old_project(*known)) hash_version_ = ComposeVersion::v2_26;
    }

    void run() {
        std::map<std::string, std::vector<std::string>> after;
        for (const auto& [name, changes] : plan_.services)
            after[name] = dependencies_of(project_.get_service(name));
        run_in_order(after, work_.parallel, [&](const std::string& name) { run_service(name); });
    }

private:
    using Containers = std::map<std::string, std::map<int, Container>>;

    /// What is made beside containers of an old docker compose gets a hash that it knows.
    bool is_old_project(Containers& known) const {
        const auto container_of = [&](const std::string& other) {
            return known[other].empty() ? "" : known[other].begin()->second.id;
        };
        for (const auto& [service, changes] : plan_.services)
            for (const ContainerChange& change : changes)
                if (change.existing &&
                    is_of_old_compose(*change.existing, project_.get_service(service),
                                      container_of))
                    return true;
        return false;
    }

    void run_service(const std::string& name) {
        client::Client daemon = work_.connect();
        const Node& service = project_.get_service(name);
        if (!options_.no_start) wait_for_dependencies(daemon, service);
        const std::vector<ContainerChange>& changes = plan_.services.at(name);
        std::vector<std::function<void()>> jobs;
        for (const ContainerChange& change : changes) {
            if (change.change == Change::keep) {
                if (created_) created_(*change.existing, false);
                work_.reporter->event("Container", change.name, "Running");
                continue;
            }
            jobs.push_back([this, &name, &service, &change] { run_change(name, service, change); });
        }
        if (jobs.size() == 1)
            change_with(
                daemon, name, service,
                *std::find_if(changes.begin(), changes.end(), [](const ContainerChange& change) {
                    return change.change != Change::keep;
                }));
        else
            run_all(jobs, work_.parallel);
    }

    void run_change(const std::string& name, const Node& service, const ContainerChange& change) {
        client::Client daemon = work_.connect();
        change_with(daemon, name, service, change);
    }

    void change_with(client::Client& daemon, const std::string& name, const Node& service,
                     const ContainerChange& change) {
        switch (change.change) {
            case Change::keep: break;
            case Change::create: create(daemon, name, service, change); break;
            case Change::recreate: recreate(daemon, name, service, change); break;
            case Change::start:
                if (!options_.no_start) start(daemon, *change.existing);
                break;
            case Change::restart:
                work_.reporter->event("Container", change.name, "Restarting");
                daemon.post("/containers/" + change.existing->id + "/restart");
                work_.reporter->event("Container", change.name, "Started");
                break;
            case Change::remove:
                stop_container(daemon, work_, *change.existing, options_.stop_timeout_s, &project_);
                hull::compose::remove_container(daemon, work_, *change.existing, true, true);
                break;
        }
    }

    void start(client::Client& daemon, const Container& container) {
        if (created_) created_(container, true);
        start_container(daemon, work_, container, &project_);
    }

    void wait_for_dependencies(client::Client& daemon, const Node& service) {
        for (const Member& member : service["depends_on"].members) {
            const std::string& condition = member.value["condition"].text;
            if (condition == "service_started") continue;
            std::vector<Container> others;
            {
                auto known = containers_.lock();
                for (const auto& [number, container] : (*known)[member.key])
                    others.push_back(container);
            }
            for (const Container& container : others) {
                try {
                    wait_for_condition(daemon, work_, container, condition,
                                       options_.wait_timeout_s);
                } catch (const Error& error) {
                    const Node* required = member.value.find("required");
                    if (!required || required->is_true()) throw;
                    work_.reporter->warn(
                        fmt::format("optional dependency \"{}\" failed to start: {}", member.key,
                                    error.message()));
                }
            }
        }
    }

    ContainerPlace place(const std::string& name, const ContainerChange& change) {
        ContainerPlace place;
        place.name = container_name(project_, name, change.number);
        place.number = change.number;
        place.hash_version = hash_version_;
        const auto image = image_ids_.find(name);
        if (image != image_ids_.end()) place.image_id = image->second;
        place.container_of = [this](const std::string& other) {
            auto known = containers_.lock();
            const std::map<int, Container>& containers = (*known)[other];
            if (containers.empty())
                throw Error(ErrorKind::not_found, "service \"{}\" has no container to share with",
                            other);
            return containers.begin()->second.id;
        };
        place.names_of = [this](const std::string& other) {
            std::vector<std::string> names;
            auto known = containers_.lock();
            for (const auto& [number, container] : (*known)[other]) names.push_back(container.name);
            return names;
        };
        return place;
    }

    void remember(const std::string& name, const Container& container) {
        auto known = containers_.lock();
        (*known)[name][container.number] = container;
    }

    void create(client::Client& daemon, const std::string& name, const Node& service,
                const ContainerChange& change) {
        const Container container =
            create_container(daemon, work_, project_, name, service, place(name, change));
        remember(name, container);
        if (!options_.no_start) start(daemon, container);
    }

    /// The new container takes the name over before the old one is stopped; until it runs, the old
    /// one can be put back.
    void recreate(client::Client& daemon, const std::string& name, const Node& service,
                  const ContainerChange& change) {
        const Container& old = *change.existing;
        const std::string aside = old.id.substr(0, 12) + "_" + old.name;
        ContainerPlace where = place(name, change);
        where.replaces = old.id;
        if (!options_.renew_anonymous_volumes)
            where.kept_volumes = anonymous_volumes(daemon, old, service);
        work_.reporter->event(
            "Container", old.name,
            change.reason.empty() ? "Recreate" : "Recreate (" + change.reason + ")");
        if (old.name == where.name) rename(daemon, old.id, aside);
        std::optional<Container> created;
        try {
            created = create_container(daemon, work_, project_, name, service, where);
            stop_container(daemon, work_, old, options_.stop_timeout_s, &project_);
            remember(name, *created);
            if (!options_.no_start) start(daemon, *created);
        } catch (const Error&) {
            put_back(daemon, old, created, old.name == where.name);
            throw;
        }
        hull::compose::remove_container(daemon, work_, old, true, options_.renew_anonymous_volumes);
        work_.reporter->event("Container", created->name, "Recreated");
    }

    void put_back(client::Client& daemon, const Container& old,
                  const std::optional<Container>& created, bool was_renamed) {
        try {
            if (created) daemon.remove_container(created->id, true, false);
            if (was_renamed) rename(daemon, old.id, old.name);
            if (old.is_running()) daemon.start_container(old.id);
            work_.reporter->event("Container", old.name, "Kept");
        } catch (const Error& error) {
            work_.reporter->warn(
                fmt::format("container {} could not be put back: {}", old.name, error.message()));
        }
    }

    const Work& work_;
    const Project& project_;
    const Plan& plan_;
    const std::map<std::string, std::string>& image_ids_;
    const UpOptions& options_;
    const Created& created_;
    Locked<Containers> containers_;
    ComposeVersion hash_version_ = ComposeVersion::now;
};

/// A client that was killed while the daemon created a container for it leaves one that we did not
/// see yet when we looked. True when that is what has the name: it is gone now, or not there yet.
bool remove_left_over(client::Client& daemon, const Project& project,
                      const std::string& service_name, const std::string& name) {
    try {
        const api::ContainerInspect found = daemon.inspect_container(name);
        const auto has = [&](const char* label, const std::string& value) {
            const auto known = found.config.labels.find(label);
            return known != found.config.labels.end() && known->second == value;
        };
        if (found.state.status != "created" || !has(labels::project, project.name) ||
            !has(labels::service, service_name) || !has(labels::working_dir, project.directory))
            return false;
        daemon.remove_container(found.id, true, false);
    } catch (const Error& error) {
        return error.kind() == ErrorKind::not_found;
    }
    return true;
}

}  // namespace

Container create_container(client::Client& daemon, const Work& work, const Project& project,
                           const std::string& service_name, const Node& service,
                           const ContainerPlace& place,
                           const std::function<void(ContainerRequest&)>& adjust) {
    ContainerRequest request = make_container_request(project, service_name, service, place);
    if (adjust) adjust(request);
    for (const std::string& warning : request.warnings) work.reporter->warn(warning);
    work.reporter->event("Container", place.name, "Creating");
    const auto create = [&] {
        return daemon.create_container(request.request, place.name, service["platform"].text);
    };
    const api::CreateResponse created = with_context(
        [&] {
        constexpr std::int64_t longest_creation_ns = 5'000'000'000;
        for (const std::int64_t begin = monotonic_ns();;) {
            try {
                return create();
            } catch (const Error& error) {
                if (error.kind() != ErrorKind::conflict ||
                    monotonic_ns() - begin > longest_creation_ns ||
                    !remove_left_over(daemon, project, service_name, place.name))
                    throw;
            }
            ::poll(nullptr, 0, 20);  // its name is taken before it can be seen
        }
        },
        "container {}", place.name);
    for (const std::string& warning : created.warnings) work.reporter->warn(warning);
    try {
        for (const Joining& joining : request.joinings) {
            json::Object body{{"Container", created.id},
                              {"EndpointConfig", api::to_json(joining.settings)}};
            daemon.post("/networks/" + http::encode_percent(joining.network) + "/connect", {},
                        body);
        }
        inject(daemon, created.id, request.files);
    } catch (Error& error) {
        error.add_context("container " + place.name);
        daemon.remove_container(created.id, true, false);
        throw;
    }
    work.reporter->event("Container", place.name, "Created");
    Container container;
    container.id = created.id;
    container.name = place.name;
    container.service = service_name;
    container.number = place.number;
    container.one_off = place.one_off;
    container.state = "created";
    return container;
}

void apply_plan(const Work& work, const Project& project, const Plan& plan,
                const std::map<std::string, std::string>& image_ids, const UpOptions& options,
                const Created& created) {
    if (options.remove_orphans && !plan.orphans.empty()) {
        std::vector<std::function<void()>> jobs;
        for (const Container& orphan : plan.orphans)
            jobs.push_back([&] {
                client::Client daemon = work.connect();
                stop_container(daemon, work, orphan, options.stop_timeout_s);
                hull::compose::remove_container(daemon, work, orphan, true, false);
            });
        run_all(jobs, work.parallel);
    }
    Application(work, project, plan, image_ids, options, created).run();
}

/// Takes names away from a container that goes. Docker's daemon has no such call.
void drain(client::Client& daemon, const Container& container) {
    // Who has found it by then connects and is served within this time.
    constexpr int served_ms = 300;
    try {
        daemon.post("/containers/" + container.id + "/drain");
        ::poll(nullptr, 0, served_ms);
    } catch (const Error&) {
    }
}

/// Gives a container that was made without the service's names all of them.
void announce(client::Client& daemon, const Project& project, const std::string& service_name,
              const Node& service, ContainerPlace place, const Container& container) {
    place.use_aliases = true;
    const ContainerRequest request = make_container_request(project, service_name, service, place);
    std::vector<Joining> joinings = request.joinings;
    for (const auto& [network, settings] : request.request.networking_config.endpoints_config)
        joinings.insert(joinings.begin(), Joining{network, settings});
    for (const Joining& joining : joinings) {
        const std::string path = "/networks/" + http::encode_percent(joining.network);
        daemon.post(path + "/disconnect", {}, json::Object{{"Container", container.id}});
        daemon.post(path + "/connect", {},
                    json::Object{{"Container", container.id},
                                 {"EndpointConfig", api::to_json(joining.settings)}});
    }
}

void roll_service(const Work& work, const Project& project, const std::string& service_name,
                  const std::vector<ContainerChange>& changes, const std::string& image_id,
                  const UpOptions& options) {
    client::Client daemon = work.connect();
    const Node& service = project.get_service(service_name);
    for (const ContainerChange& change : changes) {
        if (change.change != Change::recreate) continue;
        const Container& old = *change.existing;
        for (const Node& port : service["ports"].items)
            if (!port["published"].text.empty() &&
                port["published"].text.find('-') == std::string::npos)
                throw Error(
                    ErrorKind::invalid_argument,
                    "service \"{}\" cannot be rolled: two containers cannot publish port {} at the "
                    "same time; leave the host port open, publish a range, or put a "
                    "proxy in front",
                    service_name, port["published"].text);
        ContainerPlace place;
        place.number = change.number;
        place.image_id = image_id;
        place.replaces = old.id;
        place.container_of = [](const std::string& other) -> std::string {
            throw Error(ErrorKind::unsupported,
                        "a service that lives in the namespaces of {} cannot be rolled", other);
        };
        place.names_of = [](const std::string& other) { return std::vector<std::string>{other}; };
        place.name = old.name;
        place.use_aliases = false;  // nobody is sent to it before it is ready
        work.reporter->event("Container", old.name, "Rolling (" + change.reason + ")");
        const std::string aside = old.id.substr(0, 12) + "_" + old.name;
        rename(daemon, old.id, aside);
        std::optional<Container> created;
        try {
            created = create_container(daemon, work, project, service_name, service, place);
            start_container(daemon, work, *created, &project);
            wait_until_ready(daemon, work, *created, options.wait_timeout_s.value_or(60));
            announce(daemon, project, service_name, service, place, *created);
        } catch (Error& error) {
            if (created) daemon.remove_container(created->id, true, true);
            rename(daemon, old.id, old.name);
            work.reporter->event("Container", old.name, "Kept");
            error.add_context(fmt::format("service {} was rolled back", service_name));
            throw;
        }
        drain(daemon, old);
        stop_container(daemon, work, old, options.stop_timeout_s, &project);
        hull::compose::remove_container(daemon, work, old, true, true);
        work.reporter->event("Container", created->name, "Rolled");
    }
}

}  // namespace hull::compose
