#pragma once
#include "api/types/container.hh"
#include "api/types/image.hh"

#include <string>
#include <string_view>
#include <vector>

namespace hull::cli {

/// How a container is made again: the flags of `run` in their order, each as often as it is given.
struct Recipe {
    struct Item {
        std::string flag;   ///< without the dashes
        std::string value;  ///< "" with a flag that takes none
        bool is_switch = false;
    };
    std::vector<Item> items;
    std::string image;
    std::vector<std::string> command;
    /// What no flag says: it would be missing in the new container.
    std::vector<std::string> left_out;
};

/// What a container gets from the daemon without a flag.
struct RecipeDefaults {
    std::string log_driver, runtime;
};

/// Only what its image and the daemon's defaults would not give anyway.
Recipe make_recipe(const api::ContainerInspect& container, const api::ImageInspect& image,
                   const RecipeDefaults& defaults);

/// A command line for a POSIX shell, one flag a line.
std::string format_run(const Recipe& recipe, std::string_view program);
/// A Compose file with one service.
std::string format_compose(const Recipe& recipe);

}  // namespace hull::cli
