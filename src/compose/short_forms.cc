#include "compose/short_forms.hh"

#include "base/text.hh"
#include "compose/schema.hh"
#include "compose/values.hh"

#include <algorithm>

namespace hull::compose {
namespace {

/// Puts `value` in the place of `node`.
void replace(Node& node, Node value) {
    value.place = node.place;
    value.tag = node.tag;
    if (value.variables.empty()) value.variables = node.variables;
    node = std::move(value);
}

Node text_at(std::string text, const Node& origin) {
    Node node = Node::string(std::move(text), origin.place);
    node.variables = origin.variables;
    return node;
}

struct PortRange {
    std::int64_t first = 0, last = 0;
};
std::optional<PortRange> parse_port_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = parse_integer(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_integer(text.substr(dash + 1));
    if (!first || !last || *first < 0 || *last > 65535 || *last < *first) return {};
    return PortRange{*first, *last};
}

/// The ports of "[[IP:]PUBLISHED:]TARGET[/PROTOCOL]"; a text that says what is wrong otherwise.
std::string parse_port(const Node& item, std::vector<Node>& ports) {
    std::string_view text = item.text;
    std::string protocol = "tcp";
    if (const std::size_t slash = text.rfind('/'); slash != std::string_view::npos) {
        protocol = lower(text.substr(slash + 1));
        if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
            return "unknown protocol " + protocol;
        text = text.substr(0, slash);
    }
    const std::size_t last = text.rfind(':');
    const std::string_view target = last == std::string_view::npos ? text : text.substr(last + 1);
    std::string_view front =
        last == std::string_view::npos ? std::string_view() : text.substr(0, last);
    std::string address;
    if (front.starts_with('[')) {
        const std::size_t end = front.find(']');
        if (end == std::string_view::npos) return "the [ of the address does not end";
        address = front.substr(1, end - 1);
        front.remove_prefix(std::min(front.size(), end + 1));
        if (front.starts_with(':')) front.remove_prefix(1);
    } else if (const std::size_t colon = front.rfind(':'); colon != std::string_view::npos) {
        address = front.substr(0, colon);
        front = front.substr(colon + 1);
    } else if (front.find('.') != std::string_view::npos) {
        address = front;
        front = {};
    }
    const auto targets = parse_port_range(target);
    if (target.empty()) return "no container port";
    if (!targets || targets->first == 0) return fmt::format("invalid container port {}", target);
    const auto published = parse_port_range(front);
    if (!front.empty() && !published) return fmt::format("invalid host port {}", front);
    const std::int64_t count = targets->last - targets->first;
    const bool range_for_one = published && count == 0 && published->last != published->first;
    if (published && !range_for_one && published->last - published->first != count)
        return fmt::format("{} host ports for {} container ports",
                           published->last - published->first + 1, count + 1);
    for (std::int64_t i = 0; i <= count; ++i) {
        Node port = Node::mapping(item.place);
        port.variables = item.variables;
        port.set("mode", text_at("ingress", item));
        if (!address.empty()) port.set("host_ip", text_at(address, item));
        Node number = Node::number(targets->first + i, item.place);
        number.variables = item.variables;
        port.set("target", std::move(number));
        if (range_for_one)
            port.set("published", text_at(std::string(front), item));
        else if (published)
            port.set("published", text_at(std::to_string(published->first + i), item));
        port.set("protocol", text_at(protocol, item));
        ports.push_back(std::move(port));
    }
    return "";
}

bool is_host_path(std::string_view text) {
    return text.starts_with('/') || text.starts_with('.') || text.starts_with('~');
}

/// One word of "src:dst:OPTIONS".
std::string apply_volume_option(Node& mount, std::string_view option, const Node& origin) {
    const bool bind = mount["type"].text == "bind";
    if (option == "rw") return "";
    if (option == "ro") {
        mount.set("read_only", Node::flag(true, origin.place));
    } else if (option == "nocopy") {
        mount.get("volume", origin.place).set("nocopy", Node::flag(true, origin.place));
    } else if (option == "z" || option == "Z") {
        if (bind)
            mount.get("bind", origin.place).set("selinux", text_at(std::string(option), origin));
    } else if (option == "shared" || option == "rshared" || option == "slave" ||
               option == "rslave" || option == "private" || option == "rprivate") {
        mount.get("bind", origin.place).set("propagation", text_at(std::string(option), origin));
    } else if (option == "cached" || option == "delegated" || option == "consistent") {
        mount.set("consistency", text_at(std::string(option), origin));
    } else {
        return fmt::format("unknown option {}", option);
    }
    return "";
}

Node mapping_of(std::string_view key, Node value) {
    Node map = Node::mapping(value.place);
    map.variables = value.variables;
    map.set(key, std::move(value));
    return map;
}

}  // namespace

void lengthen_list(Node& node, const std::string&, Conformer&) {
    if (!node.is_string()) return;
    Node list = Node::sequence();
    list.items.push_back(text_at(node.text, node));
    replace(node, std::move(list));
}

void lengthen_text_list(Node& node, const std::string&, Conformer&) {
    for (Node& item : node.items)
        if (item.kind == Kind::integer || item.kind == Kind::real)
            replace(item, Node::string(item.to_text()));
}

void lengthen_command(Node& node, const std::string& path, Conformer& conformer) {
    if (!node.is_string()) return;
    const auto words = split_command(node.text);
    if (!words) {
        conformer.complain(node.place, "{}: a quote in \"{}\" does not end", path,
                           node.text.substr(0, 60));
        return;
    }
    Node list = Node::sequence();
    for (const std::string& word : *words) list.items.push_back(text_at(word, node));
    replace(node, std::move(list));
}

void lengthen_health_test(Node& node, const std::string& path, Conformer& conformer) {
    if (node.is_string()) {
        Node list = Node::sequence();
        list.items.push_back(text_at("CMD-SHELL", node));
        list.items.push_back(text_at(node.text, node));
        replace(node, std::move(list));
    } else if (node.is_sequence() && !node.items.empty() && node.items[0].is_string()) {
        const std::string& first = node.items[0].text;
        if (first != "NONE" && first != "CMD" && first != "CMD-SHELL")
            conformer.complain(node.items[0].place,
                               "{}: the first item must be NONE, CMD or CMD-SHELL, not \"{}\"",
                               path, first);
    }
}

void lengthen_build(Node& node, const std::string&, Conformer&) {
    if (node.is_string()) replace(node, mapping_of("context", text_at(node.text, node)));
}

void lengthen_extends(Node& node, const std::string&, Conformer&) {
    if (node.is_string()) replace(node, mapping_of("service", text_at(node.text, node)));
}

void lengthen_include(Node& node, const std::string&, Conformer&) {
    if (node.is_string()) replace(node, mapping_of("path", text_at(node.text, node)));
    if (node.is_mapping()) {
        for (const char* key : {"path", "env_file"})
            if (Node* list = node.find(key); list && list->is_string()) {
                Node items = Node::sequence();
                items.items.push_back(text_at(list->text, *list));
                replace(*list, std::move(items));
            }
    }
}

void lengthen_depends_on(Node& node, const std::string& path, Conformer& conformer) {
    if (!node.is_sequence()) return;
    Node map = Node::mapping();
    for (const Node& item : node.items) {
        if (!item.is_string()) {
            conformer.complain(item.place, "{} must be a list of service names, not of {}", path,
                               describe(item.kind));
            continue;
        }
        Node entry = Node::mapping(item.place);
        entry.set("condition", text_at("service_started", item));
        entry.set("required", Node::flag(true, item.place));
        map.set(item.text, std::move(entry));
    }
    replace(node, std::move(map));
}

void finish_depends_on(Node& node, const std::string&, Conformer&) {
    for (Member& member : node.members)
        if (member.value.is_mapping() && !member.value.find("required"))
            member.value.set("required", Node::flag(true, member.place));
}

void lengthen_names(Node& node, const std::string& path, Conformer& conformer) {
    if (!node.is_sequence()) return;
    Node map = Node::mapping();
    for (const Node& item : node.items) {
        if (!item.is_string())
            conformer.complain(item.place, "{} must be a list of names, not of {}", path,
                               describe(item.kind));
        else
            map.get(item.text, item.place).variables = item.variables;
    }
    replace(node, std::move(map));
}

void lengthen_env_file(Node& node, const std::string& path, Conformer& conformer) {
    lengthen_list(node, path, conformer);
    for (Node& item : node.items) {
        if (item.is_string()) replace(item, mapping_of("path", text_at(item.text, item)));
        if (item.is_mapping() && !item.find("required"))
            item.set("required", Node::flag(true, item.place));
    }
}

void lengthen_ports(Node& node, const std::string& path, Conformer& conformer) {
    if (!node.is_sequence()) return;
    std::vector<Node> ports;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        Node& item = node.items[i];
        if (item.is_mapping()) {
            ports.push_back(std::move(item));
            continue;
        }
        if (item.kind == Kind::integer) item.text = std::to_string(item.integer);
        if (!item.is_string() && item.kind != Kind::integer) {
            conformer.complain(item.place, "{}[{}] must be a port like \"8080:80\", not {}", path,
                               i, describe(item.kind));
            continue;
        }
        const std::string problem = parse_port(item, ports);
        if (!problem.empty())
            conformer.complain(item.place, "{}[{}]: invalid port \"{}\": {}", path, i,
                               item.text.substr(0, 60), problem);
    }
    node.items = std::move(ports);
}

void finish_port(Node& node, const std::string& path, Conformer& conformer) {
    if (!node.find("mode")) node.set("mode", Node::string("ingress", node.place));
    if (!node.find("protocol")) node.set("protocol", Node::string("tcp", node.place));
    if (const Node* target = node.find("target")) {
        if (target->kind == Kind::integer && (target->integer < 1 || target->integer > 65535))
            conformer.complain(target->place, "{}.target: {} is no port", path, target->integer);
    } else {
        conformer.complain(node.place, "{}: target is required", path);
    }
    if (const Node* published = node.find("published");
        published && !published->text.empty() && !parse_port_range(published->text))
        conformer.complain(published->place, "{}.published: {} is no port", path, published->text);
}

void lengthen_volume(Node& node, const std::string& path, Conformer& conformer) {
    if (!node.is_string()) return;
    const std::vector<std::string> parts = split(node.text, ':');
    const Node origin = node;
    Node mount = Node::mapping(node.place);
    mount.variables = node.variables;
    const auto refuse = [&](std::string_view problem) {
        conformer.complain(node.place, "{}: invalid volume \"{}\": {}", path,
                           node.text.substr(0, 60), problem);
    };
    if (node.text.empty()) return refuse("it is empty");
    if (parts.size() > 3) return refuse("too many colons");
    const std::string& target = parts.size() == 1 ? parts[0] : parts[1];
    const std::string source = parts.size() == 1 ? "" : parts[0];
    if (parts.size() > 1 && source.empty()) return refuse("no source before the colon");
    if (target.empty()) return refuse("no path in the container");
    if (!target.starts_with('/')) return refuse("the path in the container must be absolute");
    const bool bind = is_host_path(source);
    mount.set("type", text_at(bind ? "bind" : "volume", origin));
    if (!source.empty()) mount.set("source", text_at(source, origin));
    mount.set("target", text_at(clean_path(target), origin));
    if (parts.size() == 3) {
        for (const std::string& option : split(parts[2], ',')) {
            const std::string problem = apply_volume_option(mount, option, origin);
            if (!problem.empty()) return refuse(problem);
        }
    }
    if (bind)
        mount.get("bind", origin.place).set("create_host_path", Node::flag(true, origin.place));
    else
        mount.get("volume", origin.place).kind = Kind::mapping;
    replace(node, std::move(mount));
}

void finish_volume(Node& node, const std::string& path, Conformer& conformer) {
    const std::string& type = node["type"].text;
    if (Node* source = node.find("source"); source && type == "bind")
        source->text = conformer.resolve(source->text);
    if (type == "bind" && node["source"].text.empty())
        conformer.complain(node.place, "{}: a bind needs a source", path);
    // A bind without options gets them without a place: docker compose hashes it without them.
    if (type == "bind" && !node["bind"].find("create_host_path"))
        node.get("bind").set("create_host_path", Node::flag(true, node.place));
    if (type != "" && node["target"].text.empty())
        conformer.complain(node.place, "{}: target is required", path);
    if (type == "tmpfs" && !node["source"].text.empty())
        conformer.complain(node.place, "{}: a tmpfs has no source", path);
}

void lengthen_device(Node& node, const std::string& path, Conformer& conformer) {
    if (!node.is_string()) return;
    const std::vector<std::string> parts = split(node.text, ':');
    const bool cdi = !node.text.starts_with('/') && node.text.find('=') != std::string::npos;
    if (!cdi && (parts.size() > 3 || parts[0].empty())) {
        conformer.complain(node.place, "{}: invalid device \"{}\"", path, node.text);
        return;
    }
    Node device = Node::mapping(node.place);
    std::string target = parts[0], permissions = "rwm";
    if (parts.size() == 2) (parts[1].starts_with('/') ? target : permissions) = parts[1];
    if (parts.size() == 3) {
        target = parts[1];
        permissions = parts[2];
    }
    device.set("source", text_at(cdi ? node.text : parts[0], node));
    device.set("target", text_at(cdi ? node.text : target, node));
    device.set("permissions", text_at(permissions, node));
    replace(node, std::move(device));
}

void lengthen_file_reference(Node& node, const std::string&, Conformer&) {
    if (node.is_string()) replace(node, mapping_of("source", text_at(node.text, node)));
}

void finish_ulimit(Node& node, const std::string& path, Conformer& conformer) {
    const auto number = [&](Node& limit, const std::string& name) {
        if (limit.kind == Kind::integer) return;
        if (const auto value = parse_integer(limit.text); value && limit.is_string())
            replace(limit, Node::number(*value));
        else
            conformer.complain(limit.place, "{} must be an integer, not {}", name,
                               describe(limit.kind));
    };
    if (!node.is_mapping()) return number(node, path);
    for (Member& member : node.members) {
        if (member.key != "soft" && member.key != "hard")
            conformer.complain(member.place, "{} Additional property {} is not allowed", path,
                               member.key);
        else
            number(member.value, path + "." + member.key);
    }
    for (const char* name : {"soft", "hard"})
        if (!node.find(name)) conformer.complain(node.place, "{}: {} is required", path, name);
}

void lengthen_extra_hosts(Node& node, const std::string& path, Conformer& conformer) {
    Node list = Node::sequence();
    const auto add = [&](std::string_view host, std::string_view address, const Node& origin) {
        if (address.starts_with('[') && address.ends_with(']'))
            address = address.substr(1, address.size() - 2);
        list.items.push_back(text_at(fmt::format("{}={}", host, address), origin));
    };
    if (node.is_mapping()) {
        for (const Member& member : node.members)
            for (const std::string& address : member.value.to_texts())
                add(member.key, address, member.value);
    } else if (node.is_sequence()) {
        for (const Node& item : node.items) {
            const std::size_t at = item.text.find('=') != std::string::npos ? item.text.find('=')
                                                                            : item.text.find(':');
            if (!item.is_string() || at == std::string::npos || at == 0) {
                conformer.complain(item.place, "{}: \"{}\" is not HOST=ADDRESS", path,
                                   item.to_text());
                continue;
            }
            add(item.text.substr(0, at), std::string_view(item.text).substr(at + 1), item);
        }
    } else {
        return;
    }
    std::sort(list.items.begin(), list.items.end(),
              [](const Node& a, const Node& b) { return a.text < b.text; });
    replace(node, std::move(list));
}

void lengthen_external(Node& node, const std::string&, Conformer&) {
    Node* external = node.is_mapping() ? node.find("external") : nullptr;
    if (!external || !external->is_mapping()) return;
    if (const Node* name = external->find("name"); name && external->members.size() == 1) {
        if (!node.find("name")) node.set("name", *name);
        external = node.find("external");
        replace(*external, Node::flag(true));
    }
}

void finish_external(Node& node, const std::string& path, Conformer& conformer) {
    if (!node["external"].is_true()) return;
    for (const Member& member : node.members)
        if (member.key != "external" && member.key != "name" && !member.key.starts_with("x-") &&
            !member.value.is_null())
            conformer.complain(member.place,
                               "{}: conflicting parameters \"external\" and \"{}\" specified", path,
                               member.key);
}

void lengthen_gpus(Node& node, const std::string&, Conformer&) {
    if (!node.is_string() || node.text != "all") return;
    Node list = Node::sequence();
    Node request = Node::mapping(node.place);
    request.set("count", Node::number(-1, node.place));
    list.items.push_back(std::move(request));
    replace(node, std::move(list));
}

void finish_device_request(Node& node, const std::string& path, Conformer& conformer) {
    if (Node* count = node.find("count"); count && count->is_string()) {
        if (count->text == "all")
            *count = Node::number(-1, count->place);
        else if (const auto number = parse_integer(count->text))
            *count = Node::number(*number, count->place);
        else
            conformer.complain(count->place, "{}.count must be an integer or all, not \"{}\"", path,
                               count->text);
    }
    if (node.find("count") && node.find("device_ids"))
        conformer.complain(node.place, "{}: \"count\" and \"device_ids\" attributes are exclusive",
                           path);
    else if (!node.find("count") && !node.find("device_ids"))
        node.set("count", Node::number(-1, node.place));
}

void lengthen_ssh(Node& node, const std::string& path, Conformer& conformer) {
    lengthen_list(node, path, conformer);
    if (!node.is_mapping()) return;
    Node list = Node::sequence();
    for (const Member& member : node.members) {
        const std::string value = member.value.to_text();
        list.items.push_back(
            text_at(value.empty() ? member.key : member.key + "=" + value, member.value));
    }
    replace(node, std::move(list));
}

void lengthen_mode(Node& node, const std::string& path, Conformer& conformer) {
    if (node.is_null()) return;
    if (node.kind == Kind::integer) {
        replace(node, Node::string(fmt::format("0{:o}", node.integer)));
    } else if (node.is_string()) {
        const bool octal = !node.text.empty() && node.text.size() < 7 &&
                           node.text.find_first_not_of("01234567") == std::string::npos;
        if (!octal)
            conformer.complain(node.place, "{}: \"{}\" is no file mode like 0440", path, node.text);
    }
}

void finish_build_contexts(Node& node, const std::string&, Conformer& conformer) {
    for (Member& member : node.members) {
        const std::string& text = member.value.text;
        const bool elsewhere = text.find("://") != std::string::npos ||
                               text.starts_with("service:") || text.starts_with("git@");
        if (!elsewhere) member.value.text = conformer.resolve(text);
    }
}

void finish_build(Node& node, const std::string& path, Conformer& conformer) {
    Node* context = node.find("context");
    const bool remote =
        context && (context->text.find("://") != std::string::npos ||
                    context->text.starts_with("git@") || context->text.starts_with("service:"));
    if (context && !remote) context->text = conformer.resolve(context->text);
    if (node.find("dockerfile") && node.find("dockerfile_inline"))
        conformer.complain(node.place,
                           "{} declares mutualy exclusive dockerfile and dockerfile_inline", path);
}

void finish_restart(Node& node, const std::string& path, Conformer& conformer) {
    std::string_view name = node.text;
    if (name.starts_with("on-failure:")) {
        if (const auto count = parse_integer(name.substr(11)); count && *count >= 0) return;
    }
    for (std::string_view word : {"no", "always", "on-failure", "unless-stopped"})
        if (name == word) return;
    const std::string near = nearest(name, {"no", "always", "on-failure", "unless-stopped"});
    conformer.complain(
        node.place,
        "{} must be one of no, always, on-failure, on-failure:COUNT, unless-stopped, not \"{}\"{}",
        path, name, near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
}

void finish_pull_policy(Node& node, const std::string& path, Conformer& conformer) {
    const std::vector<std::string_view> words{"always",  "never",   "build", "if_not_present",
                                              "missing", "refresh", "daily", "weekly"};
    if (std::find(words.begin(), words.end(), node.text) != words.end()) return;
    if (node.text.starts_with("every_") && parse_duration(std::string_view(node.text).substr(6)))
        return;
    const std::string near = nearest(node.text, words);
    conformer.complain(node.place, "{} must be one of {} or every_DURATION, not \"{}\"{}", path,
                       join_words({words.begin(), words.end()}, ", "), node.text,
                       near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
}

void finish_names(Node& node, const std::string& path, Conformer& conformer) {
    for (const Member& member : node.members) {
        const bool good = !member.key.empty() &&
                          std::all_of(member.key.begin(), member.key.end(), [](char letter) {
                              return std::isalnum(static_cast<unsigned char>(letter)) ||
                                     letter == '.' || letter == '_' || letter == '-';
                          });
        if (!good && !member.key.starts_with("x-"))
            conformer.complain(member.place,
                               "{}: \"{}\" is no name: letters, digits, '.', '_' and '-' make one",
                               path, member.key);
    }
}

std::string port_key(const Node& item) {
    return fmt::format("{}:{}:{}/{}", item["host_ip"].text, item["published"].text,
                       item["target"].to_text(), item["protocol"].text);
}
std::string target_key(const Node& item) {
    const Node* target = item.find("target");
    return target ? target->text : item["source"].text;
}
std::string path_key(const Node& item) { return item["path"].text; }
std::string source_key(const Node& item) { return item["source"].text; }

}  // namespace hull::compose
