#pragma once
#include "base/json.hh"
#include "build/dockerfile/dockerfile.hh"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

/// What a target can be given: build arguments, secrets, agents; and the cache mounts it keeps.
struct Outline {
    struct Argument {
        std::string name, value, description;
    };
    struct Item {
        std::string name;
        bool required = false;
    };
    std::string name, description;
    std::vector<Argument> arguments;  ///< in the order of the Dockerfile
    std::vector<Item> secrets, ssh;
    std::vector<std::string> caches;
};

/// Of the stage `--target` names ("" the last) and of every stage it needs. Throws as `get_target`.
Outline make_outline(const Dockerfile& dockerfile, std::string_view target,
                     const std::map<std::string, std::string>& build_args);

/// The tables of `docker buildx build --call=outline` and `--call=targets`, and what format=json
/// prints.
std::string outline_text(const Outline& outline);
json::Value outline_json(const Outline& outline);
std::string targets_text(const Dockerfile& dockerfile);
json::Value targets_json(const Dockerfile& dockerfile);

}  // namespace hull::build::dockerfile
