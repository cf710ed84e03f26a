#pragma once
#include "api/types/host_config.hh"
#include "api/types/system.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/json.hh"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hull::build {

/// A line of --annotation.
struct Annotation {
    enum class Place { manifest, index, manifest_descriptor };
    Place place = Place::manifest;
    std::string platform;  ///< "" is every one
    std::string name, value;
};

/// How much of a build is told in a statement beside its image (docs/adr/037).
enum class Provenance { none, min, max };

/// What one build is to make, and how.
struct BuildRequest {
    std::string id;                              ///< for cancel; "" when the client gave none
    std::vector<std::string> tags;               ///< as typed
    std::string dockerfile;                      ///< path in the context, "" is Dockerfile
    std::optional<std::string> dockerfile_text;  ///< of one that is not in the context
    std::optional<std::string> ignore_text;      ///< of the ignore file beside that
    std::string target;
    std::string platform;  ///< several, separated by commas, make an index
    /// One of several platforms: what it makes gets its name as a part of the index.
    bool is_part = false;
    std::map<std::string, std::string> build_args, labels;
    std::vector<Annotation> annotations;
    Provenance provenance = Provenance::none;
    std::string builder_id;                    ///< what the provenance calls us
    std::vector<std::string> cache_from;       ///< images whose results of steps are taken over
    bool inline_cache = false;                 ///< the image carries the results of its steps
    std::int64_t timeout_ms = -1;              ///< of the whole build; -1: none
    std::vector<std::string> no_cache_stages;  ///< by name or number
    bool no_cache = false, pull = false, quiet = false;
    /// Limits, network mode, extra hosts, security options and the like of every RUN step.
    api::HostConfig host;
    std::map<std::string, std::string> secrets;  ///< by id
    std::map<std::string, Path> ssh;             ///< sockets of the host, by id
    bool allow_host_network = false;             ///< RUN --network=host
    bool allow_insecure = false;                 ///< RUN --security=insecure
    /// Docker's AuthConfigs by registry, for base images; null for none. Never logged.
    json::Value registries;
    /// --build-context: what stands for a stage or an image of that name.
    struct NamedContext {
        std::string image;  ///< a reference; "" when it is a directory
        Path directory;
        Path index;            ///< as of Context
        std::string identity;  ///< "DEVICE:INODE" of a directory the client named
        std::string address;   ///< of a repository or an archive, to be fetched
    };
    std::map<std::string, NamedContext> contexts;
    std::string record_id;    ///< name in the history; "" makes one
    bool tells_more = false;  ///< of build checks and waste, at the end
    /// Each step's begin, output and end as they come, in `aux` (step_events.hh) instead of text.
    bool tells_steps = false;
};

/// The context: a directory of the host that nobody changes meanwhile, or one that is read in
/// place.
struct Context {
    Path directory;
    Path index;  ///< for a directory that stays: remembers what was hashed
};

using Sink = std::function<void(const api::ProgressMessage&)>;

struct BuildResult {
    std::string image_id;           ///< of an index: the one that has the name
    std::vector<std::string> tags;  ///< familiar, with the tag: "x:latest"
    std::string digest;             ///< of the manifest or index
    /// What an index is of.
    struct Part {
        std::string platform, image_id, digest;
    };
    std::vector<Part> parts;
    json::Value provenance;  ///< the predicate of the statement, when one was asked for
};

/// A RUN whose command ended with another code than 0.
class StepFailure : public Error {
public:
    StepFailure(std::string message, int code)
        : Error(ErrorKind::invalid_argument, "{}", message), code_(code) {}
    int code() const { return code_; }

private:
    int code_;
};

}  // namespace hull::build
