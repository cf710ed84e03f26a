#include "buildkit/jobs.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/text.hh"
#include "buildkit/exporter.hh"
#include "oci/reference.hh"

#include <algorithm>
#include <chrono>

namespace hull::buildkit {

namespace {

constexpr std::chrono::seconds on_its_way{10};
constexpr std::size_t most_jobs = 64;

bool is_image_exporter(const Target& exporter) {
    return exporter.type == "moby" || exporter.type == "image";
}

}  // namespace

void Job::cancel() {
    cancellation_.cancel();
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
}

BuildOutcome Job::build(const std::string& frontend, const Attributes& options,
                        const std::vector<Target>& cache_imports) {
    const auto source = options.find("source");
    const bool is_dockerfile = frontend == "dockerfile.v0" ||
                               (frontend == "gateway.v0" && source != options.end() &&
                                source->second.find("docker/dockerfile") != std::string::npos);
    if (!is_dockerfile)
        throw Error(ErrorKind::unsupported,
                    "the frontend {} is not supported: Hull builds Dockerfiles (dockerfile.v0), "
                    "of every syntax version",
                    frontend.empty() ? "of this client" : frontend);
    BuildInputs inputs;
    inputs.session = request.session;
    inputs.ref = request.ref;
    inputs.entitlements = request.entitlements;
    inputs.cache_imports = cache_imports.empty() ? request.cache_imports : cache_imports;
    for (const Target& cache : request.cache_exports) {
        if (cache.type != "inline")
            throw Error(ErrorKind::unsupported,
                        "exporting cache of type {} is not supported: use type=inline, or "
                        "hull build --cache-to",
                        cache.type);
        inputs.inline_cache = true;
    }
    for (const Target& exporter : request.exporters)
        if (is_image_exporter(exporter))
            for (std::string& name : split_nonempty(exporter.get("name"), ','))
                inputs.tags.push_back(std::move(name));
    DockerfileBuild build(host_, progress, cancellation_, std::move(inputs), options);
    try {
        return build.run();
    } catch (const Error&) {
        const std::lock_guard lock(mutex_);
        failure_ = build.failure();
        throw;
    }
}

std::string Job::solve(const FrontendRequest& wanted) {
    if (wanted.has_definition || wanted.has_inputs)
        throw Error(ErrorKind::unsupported,
                    "building from a graph (LLB) is not supported: Hull builds Dockerfiles");
    BuildOutcome outcome = build(wanted.frontend, wanted.options, wanted.cache_imports);
    const std::string ref = random_hex(12);
    const std::lock_guard lock(mutex_);
    results_[ref] = std::move(outcome);
    return ref;
}

BuildOutcome Job::get_result(const std::string& ref) {
    const std::lock_guard lock(mutex_);
    const auto found = results_.find(ref);
    if (found == results_.end()) throw Error(ErrorKind::not_found, "no such result: {}", ref);
    return found->second;
}

void Job::give_result(const std::string& ref, const std::string& error) {
    const std::lock_guard lock(mutex_);
    returned_ = Returned{ref, error};
    changed_.notify_all();
}

std::string Job::client_error() {
    const std::lock_guard lock(mutex_);
    return returned_ ? returned_->error : "";
}

std::optional<FailurePlace> Job::failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
}

BuildOutcome Job::await_result() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return returned_ || cancellation_.cancelled(); });
    if (!returned_) throw Error(ErrorKind::cancelled, "context canceled");
    if (!returned_->error.empty()) throw Error(ErrorKind::internal, "the client has given up");
    if (returned_->ref.empty()) return {};
    const auto found = results_.find(returned_->ref);
    if (found == results_.end())
        throw Error(ErrorKind::not_found, "no such result: {}", returned_->ref);
    return found->second;
}

Attributes Job::run() {
    if (request.has_definition || request.has_inputs)
        throw Error(ErrorKind::unsupported,
                    "building from a graph (LLB) is not supported: Hull builds Dockerfiles");
    const BuildOutcome outcome =
        request.frontend.empty() ? await_result() : build(request.frontend, request.options, {});
    return export_result(outcome);
}

Attributes Job::export_result(const BuildOutcome& outcome) {
    Attributes response;
    if (outcome.image_id.empty()) return outcome.metadata;
    bool keeps_image = false;
    int number = 0;
    for (const Target& exporter : request.exporters) {
        if (is_image_exporter(exporter)) {
            keeps_image = true;
            export_image(progress, outcome.image_id, exporter, response);
        } else if (exporter.type == "local" || exporter.type == "tar") {
            export_files(host_, progress, request.session, outcome.image_id, exporter, number);
        } else {
            throw Error(ErrorKind::unsupported,
                        "exporter \"{}\" is not supported: use image, local or tar; docker save "
                        "writes archives of images",
                        exporter.type);
        }
        ++number;
    }
    if (!keeps_image) forget_image(host_, outcome.image_id);
    return response;
}

std::shared_ptr<Job> Jobs::add(Host& host, SolveRequest request) {
    auto job = std::make_shared<Job>(host, std::move(request));
    const std::lock_guard lock(mutex_);
    const auto [place, is_new] = jobs_.emplace(job->request.ref, job);
    if (!is_new) throw Error(ErrorKind::conflict, "job ID {} exists", job->request.ref);
    order_.push_back(job->request.ref);
    if (order_.size() > most_jobs) {
        jobs_.erase(order_.front());
        order_.pop_front();
    }
    changed_.notify_all();
    return job;
}

std::shared_ptr<Job> Jobs::get(const std::string& ref) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, on_its_way, [&] { return jobs_.contains(ref); }))
        throw Error(ErrorKind::not_found, "no such job {}", ref);
    return jobs_.at(ref);
}

}  // namespace hull::buildkit
