#pragma once
#include <string_view>

/// Completion scripts; PROGRAM stands for the name we are called by.
namespace hull::cli {

extern const std::string_view bash_script, fish_script, zsh_script;

}  // namespace hull::cli
