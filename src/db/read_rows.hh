#pragma once
#include "base/file.hh"

#include <string>
#include <vector>

namespace hull::db {

/// The rows of a query, as text, from a database that another process owns and may be writing.
/// Changes nothing. Throws as Database does.
std::vector<std::vector<std::string>> read_rows(const Path& file, const std::string& query);

}  // namespace hull::db
