#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

enum class FlagKind { text, texts, boolean };

/// The flags an instruction knows, by name without the dashes.
using FlagNames = std::map<std::string, FlagKind>;

/// The flags of one instruction, checked against what it knows.
class Flags {
public:
    /// Throws FlagError in Docker's words.
    Flags(const std::vector<std::string>& words, const FlagNames& known);

    /// "" when absent.
    std::string text(const std::string& name) const;
    std::vector<std::string> texts(const std::string& name) const;
    std::optional<bool> boolean(const std::string& name) const;
    bool has(const std::string& name) const { return values_.contains(name); }

private:
    std::map<std::string, std::vector<std::string>> values_;
};

/// What is wrong with a flag: `flag` is the part of the Dockerfile to point at.
struct FlagError {
    std::string message, hint, flag;
};

}  // namespace hull::build::dockerfile
