#pragma once
#include "base/json.hh"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::build {

/// All that a step's result depends on, by name. Equal inputs are one step, whoever builds it.
class StepInputs {
public:
    void add(std::string_view name, std::string_view value) { pairs_.emplace_back(name, value); }
    const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

    /// SHA-256 over names and values, in hex.
    std::string key() const;
    json::Value to_json() const;
    static StepInputs parse(const json::Value& value);

private:
    std::vector<std::pair<std::string, std::string>> pairs_;
};

/// Which inputs of a step are others than `before`: "RUN make: the step before it; build argument
/// VERSION 1 -> 2". "" when none is.
std::string explain_difference(const StepInputs& before, const StepInputs& now);

}  // namespace hull::build
