#pragma once
#include "base/json.hh"

#include <functional>
#include <string>
#include <vector>

namespace hull::cli {

class Session;

/// Prints what `find` gives for each name: an indented array, or one line each with `format`.
/// A name that `find` throws not_found for is reported after the others. Returns the exit code.
int inspect_each(Session& session, const std::vector<std::string>& names, const std::string& format,
                 const std::function<json::Value(const std::string& name)>& find);

/// `--as run|compose`: prints what makes each container again. Returns the exit code.
int print_recipes(Session& session, const std::vector<std::string>& names, const std::string& form);

}  // namespace hull::cli
