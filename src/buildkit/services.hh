#pragma once
#include "buildkit/jobs.hh"

namespace hull::buildkit {

/// What clients call: moby.buildkit.v1.Control and the part of moby.buildkit.v1.frontend.LLBBridge
/// that a client needs that is its own frontend.
class Services {
public:
    explicit Services(Host& host) : host_(host) {}
    /// Runs one call to its end. Throws for what is not supported.
    void handle(Call& call);
    Jobs& jobs() { return jobs_; }

private:
    void solve(Call& call);
    void status(Call& call);
    void session(Call& call);
    void info(Call& call);
    void list_workers(Call& call);
    void disk_usage(Call& call);
    void prune(Call& call);
    void history(Call& call);
    void ping(Call& call);
    void frontend_solve(Call& call);
    void frontend_return(Call& call);
    void evaluate(Call& call);
    std::shared_ptr<Job> job_of(Call& call);

    Host& host_;
    Jobs jobs_;
};

}  // namespace hull::buildkit
