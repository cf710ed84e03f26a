#include "api/server/api.hh"

#include "api/server/changes.hh"
#include "api/server/image_view.hh"
#include "api/server/routes.hh"
#include "api/server/times.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "build/builder.hh"
#include "engine/engine.hh"
#include "http/client.hh"
#include "http/server.hh"
#include "network/networks.hh"
#include "store/store.hh"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

namespace hull::server {

TEST(Routes, PatternsMatchSegments) {
    struct {
        std::string_view pattern, path;
        const char* name;
        const char* value;  // nullptr: no match
    } const cases[] = {
        {"/containers/{id}/json", "/containers/abc/json", "id", "abc"},
        {"/containers/{id}/json", "/containers/json", "id", nullptr},
        {"/containers/{id}/json", "/containers//json", "id", nullptr},
        {"/containers/{id}", "/containers/a/b", "id", nullptr},
        {"/containers/{id}", "/containers/a/", "id", nullptr},
        {"/images/{name...}/json", "/images/localhost:5000/a/b:1/json", "name",
         "localhost:5000/a/b:1"},
        {"/images/{name...}/json", "/images/json", "name", nullptr},
        {"/images/{name...}", "/images/json/json", "name", "json/json"},
    };
    for (const auto& [pattern, path, name, value] : cases) {
        SCOPED_TRACE(path);
        const auto found = match_path(pattern, path);
        ASSERT_EQ(found.has_value(), value != nullptr);
        if (!found) continue;
        EXPECT_EQ(found->find(std::string_view(name))->second, value);
    }
}

TEST(Routes, VersionsInThePathAreChecked) {
    EXPECT_EQ(parse_versioned_path("/info").minor, 50);
    EXPECT_EQ(parse_versioned_path("/v1.12/info").minor, 12);
    EXPECT_EQ(parse_versioned_path("/v1.44/images/v1.2/json").path, "/images/v1.2/json");
    EXPECT_EQ(parse_versioned_path("/version").path, "/version");
    const auto message = [](std::string_view path) {
        try {
            parse_versioned_path(path);
        } catch (const Error& error) {
            return error.message();
        }
        return std::string();
    };
    EXPECT_EQ(message("/v1.51/info"),
              "client version 1.51 is too new. Maximum supported API version is 1.50");
    EXPECT_EQ(message("/v1.11/info"),
              "client version 1.11 is too old. Minimum supported API version is 1.12, please "
              "upgrade your client to a newer version");
    EXPECT_EQ(message("/v2.0/info").substr(0, 30), "client version 2.0 is too new.");
    EXPECT_EQ(message("/v1.x/info"), "page not found");
}

TEST(Times, AllOfDockersForms) {
    EXPECT_EQ(parse_unix_time("5.000000001"), 5'000'000'001);
    EXPECT_EQ(parse_unix_time("5.1"), 5'100'000'000);
    EXPECT_EQ(parse_unix_time("0"), 0);
    EXPECT_EQ(parse_unix_time(""), std::nullopt);
    EXPECT_THROW(parse_unix_time("yesterday"), Error);
    EXPECT_THROW(parse_unix_time("9223372036.9"), Error);  // ns beyond 64 bits
    EXPECT_EQ(find_duration("1h30m"), 5400'000'000'000);
    EXPECT_EQ(find_duration("1.5s"), 1'500'000'000);
    EXPECT_EQ(find_duration("10"), std::nullopt);
    EXPECT_EQ(find_duration("5x"), std::nullopt);
    EXPECT_EQ(parse_time("10m", 3600'000'000'000), 3000'000'000'000);
    EXPECT_EQ(parse_time("1970-01-01T00:00:01Z", 0), 1'000'000'000);
    EXPECT_EQ(parse_time("1970-01-02", 0), 86400'000'000'000);
}

TEST(Changes, InstructionsBecomeConfig) {
    const json::Value config =
        parse_changes({"CMD [\"/bin/a\", \"b\"]", "entrypoint echo hi", "ENV A=1 B=\"two words\"",
                       "ENV A 3", "EXPOSE 80 53/udp", "LABEL x=y", "USER me", "WORKDIR /a",
                       "WORKDIR b", "VOLUME /v", "STOPSIGNAL SIGINT", "ONBUILD RUN x",
                       "HEALTHCHECK --interval=5s --retries=2 CMD curl -f x"});
    EXPECT_EQ(json::dump(config),
              R"({"Cmd":["/bin/a","b"],"Entrypoint":["/bin/sh","-c","echo hi"],)"
              R"("Env":["A=3","B=two words"],"ExposedPorts":{"80/tcp":{},"53/udp":{}},)"
              R"("Labels":{"x":"y"},"User":"me","WorkingDir":"/a/b","Volumes":{"/v":{}},)"
              R"("StopSignal":"SIGINT","OnBuild":["RUN x"],)"
              R"("Healthcheck":{"Interval":5000000000,"Retries":2,)"
              R"("Test":["CMD-SHELL","curl -f x"]}})");
    for (const char* bad : {"RUN x", "CMD", "ENV A", "LABEL =x", "SHELL sh", "ENV A=\"open",
                            "HEALTHCHECK --what=1 CMD x", "HEALTHCHECK FOO"}) {
        SCOPED_TRACE(bad);
        EXPECT_THROW(parse_changes({bad}), Error);
    }
}

TEST(ImageFilters, UnknownAndBrokenOnesAreRefused) {
    EXPECT_THROW(parse_prune_options({{"foo", {"x"}}}), Error);
    EXPECT_THROW(parse_prune_options({{"dangling", {"maybe"}}}), Error);
    EXPECT_FALSE(parse_prune_options({{"dangling", {"0"}}}).dangling_only);
    EXPECT_TRUE(has_label({{"a", "b"}}, "a"));
    EXPECT_TRUE(has_label({{"a", "b"}}, "a=b"));
    EXPECT_FALSE(has_label({{"a", "b"}}, "a=c"));
}

namespace {

/// A daemon without programs in a scratch directory: everything but running a container works.
class ApiTest : public ::testing::Test {
protected:
    void SetUp() override {
        sys::mkdir_all(root_ + "/data", 0700);
        sys::mkdir_all(root_ + "/run", 0700);
        // Programs that are never run: only their files are looked at.
        write_file(root_ + "/hull-shim", "", 0755);
        write_file(root_ + "/hull-init", "", 0755);
        database_.emplace(root_ + "/data/hull.db");
        store_.emplace(root_ + "/data", *database_, store::Store::Snapshots::directory);
        images_.emplace(*store_, *database_,
                        image::ImagesOptions{.transfer_program = root_ + "/hull-transfer"});
        network::Options network_options;
        network_options.bridge = "none";
        networks_.emplace(network_options, *database_);
        engine::Options options;
        options.data_root = root_ + "/data";
        options.exec_root = root_ + "/run";
        options.programs = root_;
        engine_.emplace(options, *images_, *store_, *networks_, *database_);
        builder_.emplace(build::BuilderOptions{root_ + "/data", root_ + "/run", root_}, *engine_,
                         *images_, *store_, *database_);
        api_.emplace(Services{*engine_, *images_, *builder_, "overlay2"});
        server_.emplace([this](http::Exchange& exchange) { api_->handle(exchange); });
        server_->listen_unix(root_ + "/s.sock", 0600, std::nullopt);
        thread_ = std::thread([this] { server_->run(stop_); });
        client_.emplace(root_ + "/s.sock");
    }
    void TearDown() override {
        stop_.request();
        if (thread_.joinable()) thread_.join();
        client_.reset();
        server_.reset();
        builder_.reset();
        engine_.reset();
        images_.reset();
        store_.reset();
        database_.reset();
        sys::remove_tree(root_);
    }

    http::ClientResponse send(const std::string& method, const std::string& target,
                              const std::string& body = "",
                              const std::string& type = "application/json") {
        http::ClientRequest request{
            .method = method, .target = target, .headers = {}, .body = body, .body_source = {}};
        if (!body.empty()) request.headers.add("Content-Type", type);
        return client_->request(request);
    }
    struct Reply {
        int status;
        std::string text;
        bool operator==(const Reply&) const = default;
    };
    Reply ask(const std::string& method, const std::string& target, const std::string& body = "",
              const std::string& type = "application/json") {
        http::ClientResponse response = send(method, target, body, type);
        std::string text = response.read_all();
        return {response.status, text};
    }
    static std::string message(const std::string& text) {
        return json::dump(json::Object{{"message", text}}) + "\n";
    }

    const std::string root_ = "/tmp/hull-api-test-" + random_hex(8);
    std::optional<db::Database> database_;
    std::optional<store::Store> store_;
    std::optional<image::Images> images_;
    std::optional<network::Networks> networks_;
    std::optional<engine::Engine> engine_;
    std::optional<build::Builder> builder_;
    std::optional<Api> api_;
    StopEvent stop_;
    std::optional<http::Server> server_;
    std::optional<http::Client> client_;
    std::thread thread_;
};

}  // namespace

TEST_F(ApiTest, ErrorsAreDockersWordForWord) {
    struct {
        const char *method, *target, *body;
        int status;
        const char* message;
    } const cases[] = {
        {"GET", "/containers/nope/json", "", 404, "No such container: nope"},
        {"POST", "/containers/nope/start", "", 404, "No such container: nope"},
        {"DELETE", "/containers/nope", "", 404, "No such container: nope"},
        {"POST", "/containers/create", R"({"Image":"nope","HostConfig":{"NetworkMode":"none"}})",
         404, "No such image: nope:latest"},
        {"POST", "/containers/create", "", 400, "invalid JSON: got EOF while reading request body"},
        {"GET", "/containers/json?filters=%7B%22foo%22:[%22x%22]%7D", "", 400,
         "invalid filter 'foo'"},
        {"GET", "/exec/nope/json", "", 404, "No such exec instance: nope"},
        {"GET", "/images/a/b/c:1/json", "", 404, "No such image: a/b/c:1"},
        {"GET", "/images/nope/history", "", 404, "No such image: nope:latest"},
        {"GET", "/containers/nope/logs", "", 400,
         "Bad parameters: you must choose at least one stream"},
        {"POST", "/images/create?fromImage=ALPINE&tag=3", "", 400,
         "invalid reference format: repository name (library/ALPINE) must be lowercase"},
        {"GET", "/networks/nope", "", 404, "network nope not found"},
        {"GET", "/swarm", "", 503,
         "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
         "connect this node to swarm and try again."},
        {"GET", "/nope", "", 404, "page not found"},
        {"POST", "/info", "", 404, "page not found"},
    };
    for (const auto& [method, target, body, status, text] : cases) {
        SCOPED_TRACE(std::string(method) + " " + target);
        const Reply reply = ask(method, target, body);
        EXPECT_EQ(reply.status, status);
        EXPECT_EQ(reply.text, message(text));
    }
}

TEST_F(ApiTest, BodiesMustBeJson) {
    const Reply text = ask("POST", "/containers/create", "{}", "text/plain");
    EXPECT_EQ(text.status, 400);
    EXPECT_EQ(text.text, message("Content-Type specified (text/plain) must be 'application/json'"));
    EXPECT_EQ(ask("POST", "/containers/create", "{", "application/json; charset=utf-8").status,
              400);
    EXPECT_EQ(ask("POST", "/containers/create", "{} x").status, 400);
    EXPECT_EQ(ask("POST", "/containers/create", "[]").status, 400);
}

TEST_F(ApiTest, EveryReplySaysWhoWeAre) {
    for (const char* target : {"/_ping", "/v1.24/version", "/nope", "/v1.99/info"}) {
        SCOPED_TRACE(target);
        const http::ClientResponse response = send("GET", target);
        EXPECT_EQ(response.headers.get("Api-Version"), "1.50");
        EXPECT_EQ(response.headers.get("Ostype"), "linux");
        EXPECT_EQ(response.headers.get("Docker-Experimental"), "false");
        EXPECT_TRUE(response.headers.get("Server").starts_with("Docker/"));
    }
    http::ClientResponse ping = send("HEAD", "/_ping");
    EXPECT_EQ(ping.status, 200);
    EXPECT_EQ(ping.headers.get("Cache-Control"), "no-cache, no-store, must-revalidate");
    EXPECT_EQ(ping.headers.get("Pragma"), "no-cache");
    EXPECT_EQ(ping.read_all(), "");
}

TEST_F(ApiTest, OldClientsGetErrorsAsText) {
    EXPECT_EQ(ask("GET", "/v1.23/containers/x/json"), (Reply{404, "No such container: x\n"}));
    EXPECT_EQ(ask("GET", "/v1.24/containers/x/json"),
              (Reply{404, message("No such container: x")}));
}

TEST_F(ApiTest, AnEmptyDaemonListsNothing) {
    EXPECT_EQ(ask("GET", "/containers/json?all=1"), (Reply{200, "[]\n"}));
    EXPECT_EQ(ask("GET", "/images/json"), (Reply{200, "[]\n"}));
    EXPECT_EQ(ask("POST", "/images/prune"),
              (Reply{200, "{\"ImagesDeleted\":null,\"SpaceReclaimed\":0}\n"}));
    EXPECT_EQ(ask("POST", "/containers/prune"),
              (Reply{200, "{\"ContainersDeleted\":null,\"SpaceReclaimed\":0}\n"}));
    EXPECT_EQ(ask("OPTIONS", "/containers/json"), (Reply{200, ""}));
}

TEST_F(ApiTest, EventsEndAtUntilAndFollowTheClient) {
    EXPECT_EQ(ask("GET", "/events?since=1&until=2").status, 200);
    engine_->publish_event("image", "tag", "sha256:1", {{"name", "a:1"}});
    http::ClientResponse stream = send("GET", "/events?since=0");
    std::string line;
    ASSERT_TRUE(stream.read_line(line));
    EXPECT_EQ(json::parse(line)["Action"].as_string(), "tag");
}

}  // namespace hull::server
