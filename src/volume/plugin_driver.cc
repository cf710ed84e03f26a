#include "volume/plugin_driver.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "http/client.hh"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace hull::volume {

namespace {

constexpr int answer_seconds = 60;
constexpr std::int64_t patience_ns = 10'000'000'000;  // a plugin may be starting
constexpr int pause_ms = 100;
constexpr std::size_t longest_answer = 16UL << 20;

void set_deadlines(int socket) {
    const timeval limit{answer_seconds, 0};
    if (::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)
        throw_errno(errno, "setting the deadline of a plugin");
}

Fd connect_tcp(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    std::string host = address.substr(0, colon);
    if (host == "localhost") host = "127.0.0.1";
    int port = 0;
    const std::string number = colon == std::string::npos ? "" : address.substr(colon + 1);
    std::from_chars(number.data(), number.data() + number.size(), port);
    sockaddr_in target{};
    target.sin_family = AF_INET;
    target.sin_port = htons(static_cast<std::uint16_t>(port));
    if (port <= 0 || port > 65535 || ::inet_pton(AF_INET, host.c_str(), &target.sin_addr) != 1)
        throw Error(ErrorKind::unsupported,
                    "a plugin at {} is not supported: use unix:///path, or tcp:// with an IPv4 "
                    "address and a port",
                    address);
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno(errno, "socket");
    set_deadlines(socket.get());
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0)
        throw_errno(errno, "connecting to {}", address);
    return socket;
}

Fd connect(const std::string& url) {
    if (url.starts_with("unix://")) {
        Fd socket = sys::connect_unix(url.substr(7), SOCK_STREAM);
        set_deadlines(socket.get());
        return socket;
    }
    if (url.starts_with("tcp://")) return connect_tcp(url.substr(6));
    throw Error(ErrorKind::unsupported,
                "a plugin at {} is not supported: use unix:///path or tcp://ADDRESS:PORT", url);
}

bool is_starting(const Error& error) {
    return error.error_number() == ECONNREFUSED || error.error_number() == ENOENT;
}

Fd connect_patiently(const std::string& url) {
    for (const std::int64_t deadline = monotonic_ns() + patience_ns;;) {
        try {
            return connect(url);
        } catch (const Error& error) {
            if (!is_starting(error) || monotonic_ns() > deadline) throw;
        }
        ::poll(nullptr, 0, pause_ms);
    }
}

std::optional<std::string> find_url(const Path& spec) {
    if (const auto text = find_file(spec + ".spec", 64UL << 10)) return std::string(trim(*text));
    if (const auto text = find_file(spec + ".json", 64UL << 10)) {
        const json::Value value = json::parse(*text);
        return value["Addr"].as_string();
    }
    return std::nullopt;
}

}  // namespace

std::optional<PluginAddress> find_plugin(const PluginDirectories& directories,
                                         const std::string& name) {
    if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.'))
        return std::nullopt;
    const std::string own = name + "/" + name;
    for (const std::string& file : {name, own}) {
        const Path path = join(directories.sockets, file) + ".sock";
        const auto info = sys::find_stat(path);
        if (info && S_ISSOCK(info->st_mode)) return PluginAddress{name, "unix://" + path};
    }
    for (const Path& directory : directories.specs)
        for (const std::string& file : {name, own})
            if (const auto url = find_url(join(directory, file))) return PluginAddress{name, *url};
    return std::nullopt;
}

std::vector<std::string> list_plugins(const PluginDirectories& directories) {
    std::set<std::string> names;
    std::vector<Path> places = directories.specs;
    places.push_back(directories.sockets);
    for (const Path& place : places) {
        if (!sys::find_stat(place)) continue;
        for (const std::string& file : sys::list_directory(place)) {
            const std::string name = file.substr(0, file.find_last_of('.'));
            if (find_plugin(directories, name)) names.insert(name);
        }
    }
    return {names.begin(), names.end()};
}

PluginDriver::PluginDriver(PluginAddress address) : address_(std::move(address)) {
    const json::Value hello = call("/Plugin.Activate", {});
    const std::vector<std::string> kinds = hello["Implements"].as_strings();
    if (std::find(kinds.begin(), kinds.end(), "VolumeDriver") == kinds.end())
        throw Error(ErrorKind::not_found, "plugin \"{}\" does not implement VolumeDriver",
                    address_.name);
}

json::Value PluginDriver::call(std::string_view method, const json::Object& request) {
    return with_context(
        [&] {
        http::Client client([&] { return connect_patiently(address_.url); });
        http::ClientRequest post;
        post.method = "POST";
        post.target = method;
        post.headers = {{"Accept", "application/vnd.docker.plugins.v1.2+json"},
                        {"Content-Type", "application/json"}};
        post.body = request.empty() ? "" : json::dump(request);
        http::ClientResponse response = client.request(post);
        const std::string text = response.read_all(longest_answer);
        json::Value answer;
        if (!trim(text).empty()) {
            try {
                answer = json::parse(text);
            } catch (const Error&) {
                if (response.status < 400) throw;
                throw Error(ErrorKind::internal, "{}", trim(text));
            }
        }
        if (answer["Err"].is_string() && !answer["Err"].as_string().empty())
            throw Error(ErrorKind::internal, "{}", answer["Err"].as_string());
        if (response.status >= 400)
            throw Error(kind_of_status(response.status), "plugin answers {}", response.status);
        return answer;
        },
        "{}", method.substr(1));
}

void PluginDriver::create(const Volume& volume) {
    json::Object options;
    if (volume.options)
        for (const auto& [name, value] : *volume.options) options.append(name, value);
    call("/VolumeDriver.Create", {{"Name", volume.name}, {"Opts", std::move(options)}});
}

Path PluginDriver::remove(const Volume& volume) {
    call("/VolumeDriver.Remove", {{"Name", volume.name}});
    return "";
}

json::Value PluginDriver::get(const std::string& name) {
    return call("/VolumeDriver.Get", {{"Name", name}})["Volume"];
}

Path PluginDriver::find_path(const Volume& volume) {
    const json::Value answer = call("/VolumeDriver.Path", {{"Name", volume.name}});
    return answer["Mountpoint"].is_string() ? answer["Mountpoint"].as_string() : "";
}

Path PluginDriver::mount(const Volume& volume, const std::string& user) {
    const json::Value answer = call("/VolumeDriver.Mount", {{"Name", volume.name}, {"ID", user}});
    const std::string path = answer["Mountpoint"].as_string();
    if (!path.starts_with('/'))
        throw Error(ErrorKind::internal, "plugin \"{}\" has mounted volume {} at \"{}\"",
                    address_.name, volume.name, path);
    return path;
}

void PluginDriver::unmount(const Volume& volume, const std::string& user) {
    call("/VolumeDriver.Unmount", {{"Name", volume.name}, {"ID", user}});
}

std::string PluginDriver::scope() {
    const json::Value answer = call("/VolumeDriver.Capabilities", {});
    const json::Value& scope = answer["Capabilities"]["Scope"];
    return scope.is_string() && lower(scope.as_string()) == "global" ? "global" : "local";
}

json::Value PluginDriver::status(const Volume& volume) { return get(volume.name)["Status"]; }

bool PluginDriver::has(const std::string& name) {
    try {
        return get(name)["Name"].is_string();
    } catch (const Error&) {
        return false;
    }
}

std::vector<std::string> PluginDriver::list_names() {
    std::vector<std::string> names;
    const json::Value answer = call("/VolumeDriver.List", {});
    if (!answer["Volumes"].is_array()) return names;
    for (const json::Value& volume : answer["Volumes"].as_array())
        names.push_back(volume["Name"].as_string());
    return names;
}

}  // namespace hull::volume
