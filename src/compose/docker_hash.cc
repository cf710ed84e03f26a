#include "compose/docker_hash.hh"

#include "base/hash.hh"
#include "compose/labels.hh"
#include "compose/normalise.hh"
#include "compose/schema.hh"
#include "compose/values.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>

// The bytes have to be those of Go's encoding/json for docker compose's structs.
namespace hull::compose {
namespace {

void append_string(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char letter = text[i];
        const auto byte = static_cast<unsigned char>(letter);
        if (letter == '"' || letter == '\\')
            (out += '\\') += letter;
        else if (letter == '\n')
            out += "\\n";
        else if (letter == '\r')
            out += "\\r";
        else if (letter == '\t')
            out += "\\t";
        else if (byte < 0x20 || letter == '<' || letter == '>' || letter == '&')
            out += fmt::format("\\u{:04x}", byte);
        else if (text.substr(i, 2) == "\xe2\x80" && i + 2 < text.size() &&
                 (text[i + 2] == '\xa8' || text[i + 2] == '\xa9')) {
            out += text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";  // line separators
            i += 2;
        } else
            out += letter;
    }
    out += '"';
}

void append(std::string& out, const Node& node) {
    switch (node.kind) {
        case Kind::null: out += "null"; break;
        case Kind::boolean: out += node.boolean ? "true" : "false"; break;
        case Kind::integer: out += std::to_string(node.integer); break;
        // Their numbers with a fraction are 32 bits wide.
        case Kind::real: out += fmt::format("{}", static_cast<float>(node.real)); break;
        case Kind::string: append_string(out, node.text); break;
        case Kind::sequence:
            out += '[';
            for (std::size_t i = 0; i < node.items.size(); ++i) {
                if (i > 0) out += ',';
                append(out, node.items[i]);
            }
            out += ']';
            break;
        case Kind::mapping:
            out += '{';
            for (std::size_t i = 0; i < node.members.size(); ++i) {
                if (i > 0) out += ',';
                append_string(out, node.members[i].key);
                out += ':';
                append(out, node.members[i].value);
            }
            out += '}';
            break;
    }
}

bool is_zero(const Node& node) {
    switch (node.kind) {
        case Kind::null: return true;
        case Kind::boolean: return !node.boolean;
        case Kind::integer: return node.integer == 0;
        case Kind::real: return node.real == 0;
        case Kind::string: return node.text.empty();
        case Kind::sequence: return node.items.empty();
        case Kind::mapping: return node.members.empty();
    }
    return false;
}

/// Go leaves out zero values, but not what a pointer leads to.
bool is_pointer(std::string_view key) {
    static constexpr std::array pointers{
        "attach", "bind",      "deploy", "delay",       "develop",      "healthcheck",
        "image",  "init",      "limits", "logging",     "max_attempts", "parallelism",
        "exec",   "provider",  "tmpfs",  "retries",     "reservations", "stop_grace_period",
        "volume", "placement", "window", "enable_ipv4", "enable_ipv6",  "restart_policy"};
    return std::find(pointers.begin(), pointers.end(), key) != pointers.end();
}

void drop_zeros(Node& node, const Schema& schema) {
    static constexpr Schema anything{};
    for (Node& item : node.items) drop_zeros(item, schema.item ? *schema.item : anything);
    for (Member& member : node.members) {
        const Schema* field =
            schema.shape == Shape::object ? find_field(schema, member.key) : schema.item;
        drop_zeros(member.value, field ? *field : anything);
    }
    if (schema.shape != Shape::object) return;
    std::erase_if(node.members, [](const Member& member) {
        if (member.key.starts_with("x-")) return true;
        // Of a command, empty is another thing than nothing.
        const bool pointer = is_pointer(member.key) || member.key == "command" ||
                             member.key == "entrypoint" || member.key == "test";
        return member.value.is_null() || (is_zero(member.value) && !pointer);
    });
}

void capitalise(Node& devices) {
    for (Node& item : devices.items)
        for (Member& member : item.members)
            member.key[0] = static_cast<char>(std::toupper(member.key[0]));
}

void adapt_block_io(Node& block_io) {
    for (const char* list : {"weight_device", "device_read_bps", "device_read_iops",
                             "device_write_bps", "device_write_iops"})
        if (Node* devices = block_io.find(list)) capitalise(*devices);
}

void adapt_deploy(Node& deploy) {
    deploy.erase("replicas");
    for (const char* key : {"resources", "placement"})
        if (Node& part = deploy.get(key); part.is_null()) part = Node::mapping();
}

void adapt_ulimits(Node& ulimits) {
    for (Member& member : ulimits.members) {
        if (!member.value.is_mapping() && !is_zero(member.value)) continue;
        Node limit = Node::mapping();
        for (const char* key : {"soft", "hard"})
            if (const Node& value = member.value[key]; value.integer != 0) limit.set(key, value);
        member.value = std::move(limit);
    }
}

/// A target that we filled in is not there for them.
void adapt_configs(Node& configs) {
    for (Node& item : configs.items)
        if (item["target"].text == "/" + item["source"].text) item.erase("target");
}

/// A bind in the long form without options has none for them.
void adapt_mounts(Node& mounts) {
    for (Node& mount : mounts.items)
        if (const Node* bind = mount.find("bind"); bind && bind->place.line == 0)
            mount.erase("bind");
}

void adapt_develop(Node& develop) {
    if (Node* watch = develop.find("watch"))
        for (Node& trigger : watch->items) {
            Node& hook = trigger.get("exec");
            hook.kind = Kind::mapping;
            hook.get("command");
        }
}

/// As docker compose 2.26 wrote it: modes are numbers, networks in the order of our table.
void adapt_to_old(Node& service) {
    for (const char* section : {"configs", "secrets"})
        if (Node* files = service.find(section))
            for (Node& item : files->items)
                if (Node* mode = item.find("mode"))
                    *mode = Node::number(std::strtol(mode->text.c_str(), nullptr, 8));
    if (Node* networks = service.find("networks"))
        for (Member& network : networks->members) network.value.erase("gw_priority");
}

/// As docker compose writes it now: networks by the alphabet.
void adapt_to_new(Node& service) {
    if (Node* networks = service.find("networks"))
        for (Member& network : networks->members)
            std::sort(network.value.members.begin(), network.value.members.end(),
                      [](const Member& a, const Member& b) { return a.key < b.key; });
}

/// Where their types write other than our tree says.
void adapt(Node& service) {
    if (Node* deploy = service.find("deploy")) adapt_deploy(*deploy);
    if (Node* configs = service.find("configs")) adapt_configs(*configs);
    if (Node* mounts = service.find("volumes")) adapt_mounts(*mounts);
    if (Node* develop = service.find("develop")) adapt_develop(*develop);
    if (Node* value = service.find("mem_swappiness"))
        *value = Node::string(std::to_string(value->integer));
    if (Node* hosts = service.find("extra_hosts"))
        std::sort(hosts->items.begin(), hosts->items.end(),
                  [](const Node& a, const Node& b) { return a.text < b.text; });
}

/// With what stands for another service replaced by its container, as they do before they hash.
void resolve_services(Node& service, const ContainerOf& container_of) {
    for (const char* key : {"network_mode", "ipc", "pid"})
        if (Node* mode = service.find(key); mode && mode->text.starts_with("service:"))
            mode->text = "container:" + container_of(mode->text.substr(8));
    if (Node* from = service.find("volumes_from"))
        for (Node& item : from->items) {
            const std::size_t colon = item.text.find(':');
            item.text = item.text.starts_with("container:")
                            ? item.text.substr(10, item.text.find(':', 10) - 10)
                            : container_of(item.text.substr(0, colon));
        }
}

}  // namespace

std::string docker_service_json(const Node& service, ComposeVersion version,
                                const ContainerOf& container_of) {
    Node copy = service;
    for (const char* key :
         {"build", "pull_policy", "pull_refresh_after", "scale", "env_file", "extends"})
        copy.erase(key);
    if (version == ComposeVersion::now)
        for (const char* key : {"depends_on", "profiles"}) copy.erase(key);
    else
        copy.erase("label_file");
    drop_zeros(copy, service_schema());
    adapt(copy);
    if (container_of) resolve_services(copy, container_of);
    copy.get("command");
    copy.get("entrypoint");
    if (version == ComposeVersion::v2_26) adapt_to_old(copy);
    order_members(copy, service_schema());
    if (version == ComposeVersion::now) adapt_to_new(copy);
    // Not by the order of our table.
    if (Node* ulimits = copy.find("ulimits")) adapt_ulimits(*ulimits);
    if (Node* block_io = copy.find("blkio_config")) adapt_block_io(*block_io);
    std::string text;
    append(text, copy);
    return text;
}

std::string docker_service_hash(const Node& service, const ContainerOf& container_of,
                                ComposeVersion version) {
    return sha256_hex(docker_service_json(service, version, container_of));
}

bool has_docker_hash(std::string_view hash, const Node& service, const ContainerOf& container_of) {
    for (const ComposeVersion version : {ComposeVersion::now, ComposeVersion::v2_26})
        if (hash == docker_service_hash(service, container_of, version)) return true;
    return false;
}

namespace {

std::string hash_resource(const char* section, Node resource) {
    const Schema& schema = *find_field(file_schema(), section)->item;
    drop_zeros(resource, schema);
    if (std::string_view(section) == "networks") {
        Node& management = resource.get("ipam");
        management.kind = Kind::mapping;
        management.erase("options");  // they do not know them
    } else if (!resource.find("driver")) {
        resource.set("driver", Node::string("local"));
    }
    order_members(resource, schema);
    std::string text;
    append(text, resource);
    return sha256_hex(text);
}

}  // namespace

std::string docker_network_hash(const Node& network) { return hash_resource("networks", network); }
std::string docker_volume_hash(const Node& volume) { return hash_resource("volumes", volume); }

bool is_of_old_compose(const Container& container, const Node& service,
                       const ContainerOf& container_of) {
    const std::string version = container.label(labels::version);
    if (container.label(labels::config).empty() && version.starts_with("2."))
        return parse_integer(version.substr(2, version.find_first_not_of("0123456789", 2) - 2))
                   .value_or(99) <= 26;
    const std::string hash = container.label(labels::config_hash);
    return hash != docker_service_hash(service, container_of) &&
           hash == docker_service_hash(service, container_of, ComposeVersion::v2_26);
}

}  // namespace hull::compose
