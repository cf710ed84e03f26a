#pragma once
#include "buildkit/dockerfile_build.hh"
#include "buildkit/host.hh"
#include "buildkit/progress.hh"
#include "buildkit/solve_request.hh"

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace hull::buildkit {

/// One Solve of a client, from the request to what was exported. Thread-safe.
class Job {
public:
    Job(Host& host, SolveRequest wanted)
        : request(std::move(wanted)), progress(request.ref), host_(host) {}

    const SolveRequest request;
    Progress progress;

    /// Builds and exports; returns what the client is told of it (ExporterResponse). Throws.
    Attributes run();
    void cancel();

    /// For a client that is the frontend itself: it asks for builds, and says which one it takes.
    std::string solve(const FrontendRequest& request);
    BuildOutcome get_result(const std::string& ref);
    /// `error` is a google.rpc.Status, "" for none; no `ref`: nothing is exported.
    void give_result(const std::string& ref, const std::string& error);

    /// What the client did not want to go on for: a google.rpc.Status, "" for none.
    std::string client_error();
    /// Where in the Dockerfile the error is.
    std::optional<FailurePlace> failure();

private:
    BuildOutcome build(const std::string& frontend, const Attributes& options,
                       const std::vector<Target>& cache_imports);
    BuildOutcome await_result();
    Attributes export_result(const BuildOutcome& outcome);

    Host& host_;
    Cancellation cancellation_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, BuildOutcome> results_;
    struct Returned {
        std::string ref, error;
    };
    std::optional<Returned> returned_;
    std::optional<FailurePlace> failure_;
};

/// Jobs by ref. The last ones that ended stay for a while for those who ask late. Thread-safe.
class Jobs {
public:
    std::shared_ptr<Job> add(Host& host, SolveRequest request);
    /// Waits a moment for one that is on its way. Throws not_found.
    std::shared_ptr<Job> get(const std::string& ref);

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, std::shared_ptr<Job>> jobs_;
    std::deque<std::string> order_;
};

}  // namespace hull::buildkit
