#include "buildkit/http_build.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/stop.hh"
#include "base/sys.hh"
#include "base/text.hh"

#include <poll.h>

#include <iterator>
#include <thread>

namespace hull::buildkit {

namespace {

/// The first value of a parameter, and all of them.
class Query {
public:
    explicit Query(const json::Value& list) : list_(list.as_array()) {}
    std::vector<std::string> all(std::string_view name) const {
        std::vector<std::string> values;
        for (const json::Value& field : list_)
            if (field.as_array()[0].as_string() == name)
                values.push_back(field.as_array()[1].as_string());
        return values;
    }
    std::string get(std::string_view name) const {
        const std::vector<std::string> values = all(name);
        return values.empty() ? "" : values.front();
    }
    /// A JSON text; null when there is none.
    json::Value document(std::string_view name) const {
        const std::string text = get(name);
        return text.empty() ? json::Value() : json::parse(text);
    }
    bool flag(std::string_view name) const {
        const std::string value = get(name);
        return !value.empty() && value != "0" && value != "false";
    }

private:
    const json::Array& list_;
};

std::string join_list(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) text += (text.empty() ? "" : ",") + item;
    return text;
}

void add_map(Attributes& options, const std::string& prefix, const json::Value& map) {
    if (!map.is_object()) return;
    for (const auto& [name, value] : map.as_object())
        if (value.is_string()) options[prefix + name] = value.as_string();
}

Attributes read_options(const Query& query) {
    Attributes options;
    const auto copy = [&](const char* option, const char* parameter) {
        if (const std::string value = query.get(parameter); !value.empty()) options[option] = value;
    };
    copy("filename", "dockerfile");
    copy("target", "target");
    copy("platform", "platform");
    copy("shm-size", "shmsize");
    copy("cgroup-parent", "cgroupparent");
    if (options["shm-size"] == "0") options.erase("shm-size");
    if (const std::string mode = query.get("networkmode"); mode != "default" && !mode.empty())
        options["force-network-mode"] = mode;
    add_map(options, "build-arg:", query.document("buildargs"));
    add_map(options, "label:", query.document("labels"));
    if (query.flag("nocache")) options["no-cache"] = "";
    if (query.flag("pull")) options["image-resolve-mode"] = "pull";
    if (const std::string remote = query.get("remote"); remote != "client-session")
        options["context"] = remote;
    std::vector<std::string> hosts = query.all("extrahosts");
    if (hosts.size() == 1 && hosts.front().starts_with('['))
        hosts = json::parse(hosts.front()).as_strings();
    for (std::string& host : hosts)
        if (const std::size_t colon = host.find(':'); colon != std::string::npos) host[colon] = '=';
    if (!hosts.empty()) options["add-hosts"] = join_list(hosts);
    std::vector<std::string> limits;
    if (const json::Value list = query.document("ulimits"); list.is_array())
        for (const json::Value& limit : list.as_array())
            limits.push_back(fmt::format("{}={}:{}", limit["Name"].as_string(),
                                         limit["Soft"].as_int(), limit["Hard"].as_int()));
    if (!limits.empty()) options["ulimit"] = join_list(limits);
    return options;
}

SolveRequest read_request(const Query& query) {
    SolveRequest request;
    request.ref = query.get("buildid").empty() ? random_hex(16) : query.get("buildid");
    request.session = query.get("session");
    request.frontend = "dockerfile.v0";
    request.options = read_options(query);
    for (const std::string& name : query.document("cachefrom").as_strings())
        request.cache_imports.push_back({"registry", {{"ref", name}}});
    const std::string names = join_list(query.all("t"));
    if (const json::Value list = query.document("outputs"); list.is_array())
        for (const json::Value& output : list.as_array())
            request.exporters.push_back(
                {output["Type"].as_string(), output["Attrs"].as_string_map()});
    if (request.exporters.empty()) request.exporters.push_back({"moby", {}});
    for (Target& exporter : request.exporters)
        if (exporter.type == "moby" || exporter.type == "image")
            exporter.attributes["name"] = names;
    return request;
}

void say(int socket, const json::Value& message) {
    sys::write_all(socket, json::dump(message) + "\r\n");
}

/// Cancels the job when the client hangs up.
class HangUpWatch {
public:
    HangUpWatch(int socket, Job& job)
        : thread_([this, socket, &job] {
              pollfd waits[] = {{stop_.fd(), POLLIN, 0}, {socket, 0, 0}};
              while (::poll(waits, std::size(waits), -1) < 0) continue;
              if (!waits[0].revents) job.cancel();
          }) {}
    ~HangUpWatch() {
        stop_.request();
        thread_.join();
    }
    HangUpWatch(const HangUpWatch&) = delete;
    HangUpWatch& operator=(const HangUpWatch&) = delete;

private:
    StopEvent stop_;
    std::thread thread_;
};

}  // namespace

void build_over_http(Host& host, Jobs& jobs, const json::Value& list, Fd socket) {
    try {
        const Query query(list);
        const auto job = jobs.add(host, read_request(query));
        const HangUpWatch watch(socket.get(), *job);
        std::thread teller([&] {
            job->progress.follow([&](const std::string& message) {
                try {
                    say(socket.get(), json::Object{{"id", "moby.buildkit.trace"},
                                                   {"aux", encode_base64(message)}});
                } catch (const Error&) {
                    // It has hung up, which cancels the job.
                }
            });
        });
        std::string error;
        Attributes response;
        try {
            response = job->run();
        } catch (const Error& problem) {
            error = problem.message();
        }
        job->progress.end(error);
        teller.join();
        if (!error.empty()) throw Error(ErrorKind::internal, "{}", error);
        const auto id = response.find("containerimage.config.digest");
        if (id == response.end()) return;
        say(socket.get(),
            json::Object{{"id", "moby.image.id"}, {"aux", json::Object{{"ID", id->second}}}});
        if (query.flag("q")) say(socket.get(), json::Object{{"stream", id->second + "\n"}});
    } catch (const Error& error) {
        say(socket.get(), json::Object{{"errorDetail", json::Object{{"message", error.message()}}},
                                       {"error", error.message()}});
    }
}

}  // namespace hull::buildkit
