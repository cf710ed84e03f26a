#pragma once
#include "base/json.hh"
#include "image/images.hh"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hull::build {

/// One step of a build, as it went.
struct StepRecord {
    std::size_t number = 0;  ///< 1, 2, … over the whole build
    std::string stage;       ///< name, or number, of its stage
    std::string text;        ///< the instruction as written
    bool cached = false;
    std::string reason;  ///< why it was not in the cache; "" when it was
    std::int64_t started_ns = 0, duration_ns = 0;
    std::string key;                  ///< of its inputs
    std::string diff_id;              ///< of its layer; "" for one that changed no file
    std::uint64_t content_bytes = 0;  ///< of its layer
};

/// What a RUN that failed has left, enough to make a container of it.
struct FailedStep {
    std::size_t number = 0;
    std::string text;
    int exit_code = 0;
    std::string config;                     ///< the image config document with all layers
    std::vector<image::BuiltLayer> layers;  ///< the last is what the step had changed
    std::vector<std::string> environment;   ///< of the step, build arguments included
    std::vector<std::string> command;
};

enum class BuildStatus { running, completed, failed, cancelled, interrupted };
std::string_view to_string(BuildStatus status);

/// One build, kept after its end.
struct BuildRecord {
    std::string id, name;  ///< name: the first tag, else where the context is
    std::string dockerfile, target;
    std::int64_t started_ns = 0, duration_ns = 0;
    BuildStatus status = BuildStatus::running;
    std::string error, image_id;
    std::size_t step_count = 0;
    std::vector<StepRecord> steps;  ///< by number, as far as they ran
    std::optional<FailedStep> failed;
    json::Value waste;  ///< see waste.hh; null when nobody looked

    std::size_t cached_count() const;
};

json::Value to_json(const BuildRecord& record);
BuildRecord parse_build_record(const json::Value& value);

}  // namespace hull::build
