#pragma once
#include "base/json.hh"
#include "build/dockerfile/check.hh"

#include <string>

namespace hull::build::dockerfile {

/// What `build --check` prints: Docker's headline, then each finding with its rule, where the rule
/// is explained, and the place with a caret.
std::string check_text(const CheckResult& result, const Source& source);
/// What `--call=check,format=json` prints: Docker's members.
json::Value check_json(const CheckResult& result, const Source& source);
/// The lines at the end of a build: " 1 warning found…" and " - RULE: message (line 3)"; "" for
/// none.
std::string check_summary(const CheckResult& result);

}  // namespace hull::build::dockerfile
