#include "base/error.hh"
#include "base/log.hh"
#include "base/time.hh"
#include "engine/implementation.hh"
#include "engine/networking.hh"
#include "engine/patterns.hh"
#include "engine/text.hh"

#include <algorithm>
#include <set>

namespace hull::engine {

namespace {

void check_filters(const Filters& filters, const std::set<std::string_view>& known) {
    for (const auto& [name, values] : filters)
        if (!known.contains(name))
            throw Error(ErrorKind::invalid_argument, "invalid filter '{}'", name);
}

bool parse_dangling(const std::string& text) {
    if (text == "true" || text == "1") return true;
    if (text == "false" || text == "0") return false;
    throw Error(ErrorKind::invalid_argument, "invalid filter 'dangling={}'", text);
}

api::NetworkInspect make_network_view(const network::Network& network) {
    api::NetworkInspect view;
    view.name = network.name;
    view.id = network.id;
    view.created = format_rfc3339(network.created_ns);
    view.scope = "local";
    view.driver = network.driver;
    view.enable_ipv4 = network.ipv4;
    view.enable_ipv6 = network.ipv6;
    view.ipam.driver = "default";
    if (!network.ipam_options.empty()) view.ipam.options = network.ipam_options;
    for (const network::AddressConfig& config : network.addresses) {
        api::IpamConfig& item = view.ipam.config.emplace_back();
        item.subnet = config.subnet.text();
        if (config.range) item.ip_range = config.range->text();
        item.gateway = config.gateway.text();
        for (const auto& [name, address] : config.auxiliary)
            item.auxiliary_addresses[name] = address.text();
    }
    view.internal = network.internal;
    view.config_only = network.config_only;
    view.config_from.network = network.config_from;
    view.attachable = network.attachable;
    view.options = api::StringMap(network.options);
    view.labels = api::StringMap(network.labels);
    return view;
}

void add_member(api::NetworkInspect& view, const network::Sandbox& sandbox,
                const network::Endpoint& endpoint) {
    view.containers[sandbox.container_id] = {sandbox.container_name, endpoint.id, endpoint.mac,
                                             endpoint.ipv4.empty() ? "" : endpoint.ipv4.text(),
                                             endpoint.ipv6.empty() ? "" : endpoint.ipv6.text()};
}

network::NetworkRequest make_network_request(const api::NetworkCreateRequest& request) {
    if (request.ingress || request.scope == "swarm" || request.driver == "overlay")
        throw Error(ErrorKind::forbidden,
                    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm "
                    "join\" to connect this node to swarm and try again.");
    network::NetworkRequest wanted;
    wanted.config_only = request.config_only;
    if (request.config_from) wanted.config_from = request.config_from->network;
    wanted.name = request.name;
    if (!request.driver.empty() && request.driver != "default") wanted.driver = request.driver;
    wanted.internal = request.internal;
    wanted.attachable = request.attachable;
    wanted.ipv4 = request.enable_ipv4.value_or(true);
    wanted.ipv6 = request.enable_ipv6.value_or(false);
    wanted.options = request.options;
    wanted.labels = request.labels;
    if (!request.ipam) return wanted;
    if (!request.ipam->driver.empty()) wanted.ipam_driver = request.ipam->driver;
    wanted.ipam_options = request.ipam->options;
    for (const api::IpamConfig& config : request.ipam->config)
        wanted.addresses.push_back(
            {config.subnet, config.ip_range, config.gateway, config.auxiliary_addresses});
    return wanted;
}

}  // namespace

void Engine::Implementation::publish_network(const network::Network& network,
                                             std::string_view action,
                                             const std::string& container) {
    api::EventMessage event;
    event.type = "network";
    event.action = action;
    event.actor.id = network.id;
    event.actor.attributes["name"] = network.name;
    event.actor.attributes["type"] = network.driver;
    if (!container.empty()) event.actor.attributes["container"] = container;
    events.publish(std::move(event));
}

void Engine::Implementation::publish_endpoints(const network::Sandbox& sandbox,
                                               std::string_view action) {
    for (const network::Endpoint& endpoint : sandbox.endpoints)
        if (network::NetworkPointer network = networks_.find_network(endpoint.config.network_id))
            publish_network(*network, action, sandbox.container_id);
}

// ---------------------------------------------------------------- a container's life

/// Keeps what a new container wants of its networks.
void Engine::Implementation::add_networks(const Definition& definition, const std::string& name,
                                          const api::NetworkingConfig& networking) {
    if (!has_networks(definition.host)) return;
    network::SandboxRequest request =
        make_sandbox_request(definition.id, name, definition.config, definition.host, networking);
    for (const auto& [alias, container] : request.legacy_links) table_.get(container);
    try {
        networks_.add_sandbox(request);
    } catch (const Error& error) {
        // Clients take "not found" of a create for a missing image, and pull.
        if (error.kind() != ErrorKind::not_found) throw;
        throw Error(ErrorKind::invalid_argument, "{}", error.message());
    }
}

/// Namespace, interfaces and ports for a start; nothing for who joins another's namespace.
std::optional<network::Attached> Engine::Implementation::start_networks(
    const Definition& definition) {
    if (!has_private_network(definition.host)) return {};
    if (!has_networks(definition.host) || !networks_.find_sandbox(definition.id))
        return network::Attached{networks_.start_alone(definition.id), nullptr};
    return with_context([&] { return networks_.start_sandbox(definition.id); },
                        "failed to set up container networking");
}

/// The container has ended: its ports and addresses are free before anybody hears of that.
network::SandboxPointer Engine::Implementation::stop_networks(const std::string& id) {
    network::SandboxPointer before = networks_.find_sandbox(id);
    if (!before || !before->active) {
        networks_.settle_start(id);
        return nullptr;
    }
    try {
        networks_.stop_sandbox(id);
    } catch (const std::exception& error) {
        log::error("networks of container {}: {}", id, error.what());
    }
    return before;
}

/// What the container's files say of its networks; of `sandbox` only once it is active.
NetworkNames Engine::Implementation::network_names(const Definition& definition,
                                                   const network::Sandbox* sandbox) {
    NetworkNames names;
    names.is_apart = has_private_network(definition.host);
    if (!sandbox) return names;
    if (const auto gateway = networks_.host_gateway(*sandbox)) names.host_gateway = gateway->text();
    names.has_name_server = sandbox->has_name_server;
    std::string own = definition.config.hostname;
    if (!definition.config.domainname.empty())
        own = fmt::format("{}.{} {}", own, definition.config.domainname, own);
    for (const network::Endpoint& endpoint : sandbox->endpoints)
        for (const network::Subnet& address : {endpoint.ipv4, endpoint.ipv6})
            if (!address.empty()) names.host_lines.push_back(address.base.text() + "\t" + own);
    for (const auto& [alias, other] : sandbox->legacy_links)
        add_link(*sandbox, alias, other, names);
    return names;
}

/// A link of the default bridge: a line in /etc/hosts.
void Engine::Implementation::add_link(const network::Sandbox& sandbox, const std::string& alias,
                                      const std::string& name, NetworkNames& names) {
    RecordPointer other = table_.get(name)->snapshot();
    if (!other->state.is_running())
        throw Error(ErrorKind::conflict, "Cannot link to a non running container: /{} AS /{}/{}",
                    other->name, sandbox.container_name, alias);
    const network::SandboxPointer target = networks_.find_sandbox(other->id());
    if (!target) return;
    for (const network::Endpoint& endpoint : target->endpoints)
        if (sandbox.find_endpoint(endpoint.config.network_id) && !endpoint.ipv4.empty())
            names.host_lines.push_back(fmt::format("{}\t{} {} {}", endpoint.ipv4.base.text(), alias,
                                                   other->definition->config.hostname,
                                                   other->name));
}

void Engine::Implementation::restore_networks() {
    std::map<std::string, pid_t> running;
    for (const ContainerPointer& container : table_.list()) {
        RecordPointer record = container->snapshot();
        if (record->state.is_running()) running[record->id()] = record->state.pid;
    }
    networks_.restore(running,
                      [this](const std::string& id) { return table_.find(id) != nullptr; });
}

// ---------------------------------------------------------------- networks

api::NetworkInspect Engine::Implementation::create_network(
    const api::NetworkCreateRequest& request) {
    const network::NetworkPointer network = networks_.create_network(make_network_request(request));
    publish_network(*network, "create", "");
    return make_network_view(*network);
}

void Engine::Implementation::remove_network(const std::string& name) {
    const network::NetworkPointer network = networks_.get_network(name);
    networks_.remove_network(network->id);
    publish_network(*network, "destroy", "");
}

std::vector<api::NetworkInspect> Engine::Implementation::list_networks(const Filters& filters) {
    check_filters(filters, {"dangling", "driver", "id", "label", "name", "scope", "type"});
    const auto fits =
        [&](const network::Network& network, const std::string& filter, const std::string& wanted) {
        if (filter == "driver") return network.driver == wanted;
        if (filter == "id") return matches_pattern(network.id, wanted);
        if (filter == "name") return matches_pattern(network.name, wanted);
        if (filter == "scope") return wanted == "local";
        if (filter == "type") {
            if (wanted != "builtin" && wanted != "custom")
                throw Error(ErrorKind::invalid_argument, "invalid filter: 'type'='{}'", wanted);
            return network.is_predefined() == (wanted == "builtin");
        }
        if (filter == "dangling")
            return parse_dangling(wanted) ==
                   (!network.is_predefined() && networks_.list_members(network.id, false).empty());
        return true;
    };
    std::vector<api::NetworkInspect> list;
    for (const network::NetworkPointer& network : networks_.list_networks()) {
        const bool is_wanted = std::all_of(filters.begin(), filters.end(), [&](const auto& filter) {
            const auto& [name, values] = filter;
            if (name == "label") return has_labels(network->labels, values);
            return values.empty() ||
                   std::any_of(values.begin(), values.end(),
                               [&, &filter_name = name](const std::string& wanted) {
                return fits(*network, filter_name, wanted);
                   });
        });
        if (is_wanted) list.push_back(make_network_view(*network));
    }
    return list;
}

/// Running containers of the host's network, or of none: they have no address there.
void Engine::Implementation::add_sharers(api::NetworkInspect& view, const std::string& mode) {
    for (const ContainerPointer& container : table_.list()) {
        const RecordPointer record = container->snapshot();
        if (!record->state.is_running() || record->definition->host.network_mode != mode) continue;
        api::NetworkMember& member = view.containers[record->id()];
        member.name = record->name;
        member.endpoint_id = host_endpoint_id(record->id(), view.id);
    }
}

api::NetworkInspect Engine::Implementation::inspect_network(const std::string& name) {
    const network::NetworkPointer network = networks_.get_network(name);
    api::NetworkInspect view = make_network_view(*network);
    for (const network::SandboxPointer& sandbox : networks_.list_members(network->id, true))
        add_member(view, *sandbox, *sandbox->find_endpoint(network->id));
    if (network->name == "host" || network->name == "none") add_sharers(view, network->name);
    return view;
}

std::vector<std::string> Engine::Implementation::prune_networks(const Filters& filters,
                                                                bool dry_run) {
    check_filters(filters, {"until", "label", "label!"});
    std::int64_t until_ns = 0;
    if (auto until = filters.find("until"); until != filters.end())
        for (const std::string& text : until->second) until_ns = parse_moment(text);
    const auto is_wanted = [&](const network::Network& network) {
        if (until_ns && network.created_ns >= until_ns) return false;
        if (auto wanted = filters.find("label");
            wanted != filters.end() && !has_labels(network.labels, wanted->second))
            return false;
        auto unwanted = filters.find("label!");
        return unwanted == filters.end() ||
               std::none_of(
                   unwanted->second.begin(), unwanted->second.end(),
                   [&](const std::string& label) { return has_labels(network.labels, {label}); });
    };
    std::vector<std::string> names;
    if (dry_run) {
        for (const network::NetworkPointer& network : networks_.list_networks())
            if (!network->is_predefined() && is_wanted(*network) &&
                networks_.list_members(network->id, false).empty())
                names.push_back(network->name);
        return names;
    }
    for (const network::NetworkPointer& network : networks_.prune_networks(is_wanted)) {
        publish_network(*network, "destroy", "");
        names.push_back(network->name);
    }
    api::EventMessage event;
    event.type = "network";
    event.action = "prune";
    event.actor.attributes["reclaimed"] = "0";
    events.publish(std::move(event));
    return names;
}

/// With the container's `operation` held. Its hosts and resolv.conf follow its networks.
void Engine::Implementation::refresh_network_files(const Record& record,
                                                   const network::Sandbox& sandbox) {
    if (!record.state.is_running()) return;
    write_network_files(paths(record.id()), *record.definition, options_,
                        network_names(*record.definition, &sandbox));
}

void Engine::Implementation::connect_network(const std::string& network_name,
                                             const std::string& container_name,
                                             const api::EndpointSettings& settings) {
    const network::NetworkPointer network = networks_.get_network(network_name);
    ContainerPointer container = table_.get(container_name);
    std::lock_guard operation(container->operation);
    RecordPointer record = container->snapshot();
    const std::string& mode = record->definition->host.network_mode;
    if (mode == "host" || network->name == "host")
        throw Error(ErrorKind::forbidden,
                    "container cannot be disconnected from host network or connected to host "
                    "network");
    if (!has_private_network(record->definition->host))
        throw Error(ErrorKind::forbidden,
                    "container sharing network namespace with another container or host cannot be "
                    "connected to any other network");
    if (mode == "none" || network->name == "none")
        throw Error(ErrorKind::invalid_argument,
                    "container cannot be connected to multiple networks with one of the networks "
                    "in private (none) mode");
    const network::EndpointConfig config = make_endpoint_config(network->id, settings);
    const network::SandboxPointer sandbox = networks_.connect(
        container->id, config, record->state.is_running() ? record->state.pid : 0);
    refresh_network_files(*record, *sandbox);
    publish_network(*network, "connect", container->id);
}

void Engine::Implementation::disconnect_network(const std::string& network_name,
                                                const std::string& container_name) {
    const network::NetworkPointer network = networks_.get_network(network_name);
    ContainerPointer container = table_.get(container_name);
    std::lock_guard operation(container->operation);
    RecordPointer record = container->snapshot();
    if (record->definition->host.network_mode == "host")
        throw Error(ErrorKind::forbidden,
                    "container cannot be disconnected from host network or connected to host "
                    "network");
    if (!has_networks(record->definition->host))
        throw Error(ErrorKind::internal, "container {} is not connected to network {}",
                    container->id, network->name);
    const network::SandboxPointer sandbox = networks_.disconnect(
        container->id, network->id, record->state.is_running() ? record->state.pid : 0);
    refresh_network_files(*record, *sandbox);
    publish_network(*network, "disconnect", container->id);
}

}  // namespace hull::engine
