#include "db/read_rows.hh"

#include "base/error.hh"
#include "base/release.hh"

#include <sqlite3.h>

#include <memory>

namespace hull::db {

namespace {

constexpr int busy_timeout_ms = 5000;

[[noreturn]] void fail(const Path& file, sqlite3* connection) {
    throw Error(ErrorKind::unavailable, "reading the database {}: {}", file,
                connection ? sqlite3_errmsg(connection) : "out of memory");
}

}  // namespace

std::vector<std::vector<std::string>> read_rows(const Path& file, const std::string& query) {
    sqlite3* raw = nullptr;
    const int opened =
        sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
    const std::unique_ptr<sqlite3, Release<sqlite3_close>> connection(raw);
    if (opened != SQLITE_OK) fail(file, raw);
    sqlite3_busy_timeout(raw, busy_timeout_ms);
    sqlite3_stmt* prepared = nullptr;
    if (sqlite3_prepare_v2(raw, query.c_str(), -1, &prepared, nullptr) != SQLITE_OK)
        fail(file, raw);
    const std::unique_ptr<sqlite3_stmt, Release<sqlite3_finalize>> statement(prepared);
    std::vector<std::vector<std::string>> rows;
    int step = SQLITE_ROW;
    while ((step = sqlite3_step(prepared)) == SQLITE_ROW) {
        auto& row = rows.emplace_back();
        for (int i = 0; i < sqlite3_column_count(prepared); ++i) {
            const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(prepared, i));
            row.emplace_back(text ? text : "",
                             static_cast<std::size_t>(sqlite3_column_bytes(prepared, i)));
        }
    }
    if (step != SQLITE_DONE) fail(file, raw);
    return rows;
}

}  // namespace hull::db
