#pragma once
#include "build/dockerfile/dockerfile.hh"
#include "buildkit/agents.hh"
#include "buildkit/host.hh"
#include "buildkit/progress.hh"
#include "buildkit/solve_request.hh"
#include "buildkit/sync.hh"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hull::buildkit {

/// What a build is made from, beside its options.
struct BuildInputs {
    std::string session;  ///< id of the client's
    std::vector<std::string> tags;
    std::vector<std::string> entitlements;
    std::vector<Target> cache_imports;
    bool inline_cache = false;
    std::string record_id;  ///< in hulld's history
    std::string ref;        ///< of the request
};

struct BuildOutcome {
    std::string image_id;  ///< "" when the client only asked about the Dockerfile
    Attributes metadata;
};

/// What failed at a place in the Dockerfile.
struct FailurePlace {
    std::string file, text;
    int first_line = 0, last_line = 0;
};

/// Does what the frontend dockerfile.v0 does, by a build of hulld: brings the Dockerfile, the
/// context, secrets and credentials from the client, and tells `progress` of every step.
class DockerfileBuild {
public:
    DockerfileBuild(Host& host, Progress& progress, Cancellation& cancellation, BuildInputs inputs,
                    Attributes options)
        : host_(host),
          progress_(progress),
          cancellation_(cancellation),
          inputs_(std::move(inputs)),
          options_(std::move(options)) {}
    BuildOutcome run();
    /// Where the error that run() threw comes from.
    const std::optional<FailurePlace>& failure() const { return failure_; }

private:
    using Dockerfile = build::dockerfile::Dockerfile;

    std::string option(const std::string& name) const;
    Attributes options_with(const std::string& prefix) const;
    ClientSessionPointer session_of(const std::string& name);
    Rooms::Room bring(const std::string& name, const std::string& vertex, const std::string& detail,
                      SyncRequest request);
    void read_dockerfile();
    void parse();
    std::optional<BuildOutcome> answer_question();
    void warn();
    void bring_context();
    void bring_named_contexts();
    void bring_secrets();
    void bring_agents();
    void bring_credentials();
    void read_globals();
    std::function<std::optional<std::string>(std::string_view)> find_global() const;
    std::string base_of(std::size_t stage) const;
    void need(std::size_t stage);
    void plan();
    std::vector<std::string> find_followed();
    bool load_bases();
    void pull(EngineApi& api, const std::string& name);
    std::vector<std::string> images() const;
    http::Query make_query();
    BuildOutcome build();
    void take(const json::Value& message);
    std::optional<FailurePlace> find_place(std::int64_t step) const;
    [[noreturn]] void fail(const json::Value& message);

    Host& host_;
    Progress& progress_;
    Cancellation& cancellation_;
    const BuildInputs inputs_;
    const Attributes options_;
    EngineApi::BuildCall call_;
    json::Object extra_;
    std::string file_name_, dockerfile_text_, remote_;
    std::optional<Dockerfile> dockerfile_;
    std::map<std::string, std::string> globals_;
    std::set<std::size_t> needed_;          ///< stages
    std::set<std::string> images_, bases_;  ///< all that are named, and those of FROM
    bool is_planned_ = false;
    std::vector<std::string> ignored_;
    std::vector<Rooms::Room> rooms_;
    std::unique_ptr<Call> upload_;
    std::optional<Uploads::Upload> body_;  ///< of the other request that brings the context
    std::list<Agent> agents_;
    std::map<std::int64_t, std::string> names_;  ///< of the steps that are shown
    std::map<std::int64_t, bool> ran_;
    json::Value plan_;  ///< hulld's
    std::int64_t failed_step_ = 0;
    std::optional<FailurePlace> failure_;
    std::string image_id_;
};

}  // namespace hull::buildkit
