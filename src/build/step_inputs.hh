#pragma once
#include "base/json.hh"
#include "build/listing.hh"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::build {

/// All that a step's result depends on, by name. Equal inputs are one step, whoever builds it.
class StepInputs {
public:
    /// Its value is the key of all that led here.
    static constexpr std::string_view step_before = "the step before it";

    void add(std::string_view name, std::string_view value) { pairs_.emplace_back(name, value); }
    /// Files count by what they are; the listing is kept to name those that changed.
    void add_files(const std::string& name, Listing listing) {
        add(name, listing.digest());
        files_.emplace(name, std::move(listing));
    }
    const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }
    const std::map<std::string, Listing>& files() const { return files_; }
    void set_files(std::map<std::string, Listing> files) { files_ = std::move(files); }

    /// SHA-256 over names and values, in hex.
    std::string key() const;
    /// Without the listings.
    json::Value to_json() const;
    static StepInputs parse(const json::Value& value);

private:
    std::vector<std::pair<std::string, std::string>> pairs_;
    std::map<std::string, Listing> files_;
};

/// Which inputs of a step are others than `before`: "the step before it; build argument VERSION
/// '1' → '2'; src/app.c content". "" when none is.
std::string explain_difference(const StepInputs& before, const StepInputs& now);

}  // namespace hull::build
