#include "db/database.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>

namespace hull::db {

namespace {

constexpr int busy_timeout_ms = 5000;

sqlite3_stmt* raw(void* statement) { return static_cast<sqlite3_stmt*>(statement); }

/// What one change may have to add to the log and, when that is full, to the file.
constexpr std::uint64_t change_bytes = 64 << 10;
constexpr int growth_bytes = 256 << 10;
constexpr std::int64_t renewal_pause_ns = 1'000'000'000;

std::optional<std::uint64_t> find_free_bytes(const Path& file) {
    const std::size_t slash = file.rfind('/');
    const Path directory = slash == std::string::npos ? "." : file.substr(0, slash + 1);
    const auto space = sys::find_free_space(directory);
    return space ? std::optional(space->bytes) : std::nullopt;
}

std::string free_space_near(const Path& file) {
    const auto bytes = find_free_bytes(file);
    if (!bytes) return "its file system";
    return fmt::format("a change needs up to {} KiB, {} KiB are left on its file system",
                       change_bytes >> 10, *bytes >> 10);
}

/// SQLite says "full" for some writes and "I/O error" for others.
bool may_mean_full(int code) {
    return (code & 0xff) == SQLITE_FULL || (code & 0xff) == SQLITE_IOERR;
}

}  // namespace

struct Database::Connection {
    sqlite3* handle = nullptr;
    std::map<std::string, sqlite3_stmt*, std::less<>> statements;

    ~Connection() {
        for (auto& [sql, statement] : statements) sqlite3_finalize(statement);
        sqlite3_close(handle);
    }

    [[noreturn]] void fail(const Path& file, int code, std::string_view sql) const {
        const std::string text = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
        switch (code & 0xff) {
            case SQLITE_FULL:
                throw Error(ErrorKind::unavailable, "database {}: database or disk is full ({})",
                            file, free_space_near(file));
            case SQLITE_BUSY:
            case SQLITE_LOCKED:
                throw Error(ErrorKind::unavailable, "database {}: locked by another program", file);
            case SQLITE_CORRUPT:
            case SQLITE_NOTADB: throw Error(ErrorKind::data_loss, "database {}: {}", file, text);
            case SQLITE_CONSTRAINT: throw Error(ErrorKind::conflict, "database {}: {}", file, text);
            case SQLITE_CANTOPEN:
            case SQLITE_READONLY:
            case SQLITE_PERM: throw Error(ErrorKind::unavailable, "database {}: {}", file, text);
            case SQLITE_IOERR:
                throw Error(ErrorKind::unavailable, "database {}: {} ({})", file, text,
                            free_space_near(file));
            default:
                throw Error(ErrorKind::internal, "database {}: {} in `{}`", file, text,
                            sql.substr(0, 200));
        }
    }
};

bool Columns::is_null(int index) const {
    return sqlite3_column_type(raw(statement_), index) == SQLITE_NULL;
}
std::int64_t Columns::integer(int index) const {
    return sqlite3_column_int64(raw(statement_), index);
}
double Columns::real(int index) const { return sqlite3_column_double(raw(statement_), index); }
std::string Columns::text(int index) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(raw(statement_), index));
    if (!bytes) return {};
    return std::string(bytes,
                       static_cast<std::size_t>(sqlite3_column_bytes(raw(statement_), index)));
}

void read_column(const Columns& columns, int index, std::int64_t& value) {
    value = columns.integer(index);
}
void read_column(const Columns& columns, int index, std::uint64_t& value) {
    value = static_cast<std::uint64_t>(columns.integer(index));
}
void read_column(const Columns& columns, int index, int& value) {
    value = static_cast<int>(columns.integer(index));
}
void read_column(const Columns& columns, int index, bool& value) {
    value = columns.integer(index) != 0;
}
void read_column(const Columns& columns, int index, double& value) { value = columns.real(index); }
void read_column(const Columns& columns, int index, std::string& value) {
    value = columns.text(index);
}

Transaction::Transaction(Database& database) : database_(&database), lock_(database.mutex_) {
    if (database_->transaction_depth_ == 0) {
        // A commit that meets a full disk is rolled back: it could not be tried again.
        database_->spend_reserve_when_full();
        database_->run_script("BEGIN IMMEDIATE");
        database_->transaction_failed_ = false;
    }
    ++database_->transaction_depth_;
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), lock_(std::move(other.lock_)) {}

Transaction::~Transaction() {
    if (!database_) return;
    database_->transaction_failed_ = true;
    if (--database_->transaction_depth_ > 0) return;  // the outermost one rolls back
    try {
        // SQLite has rolled back on its own after a full disk.
        if (!sqlite3_get_autocommit(database_->connection_->handle))
            database_->run_script("ROLLBACK");
    } catch (const std::exception& error) {
        log::error("rolling back: {}", error.what());
    }
}

void Transaction::commit() {
    if (database_->transaction_failed_)
        throw Error(ErrorKind::internal, "a part of this transaction was rolled back");
    if (database_->transaction_depth_ == 1) database_->run_script("COMMIT");
    --database_->transaction_depth_;
    database_ = nullptr;
    lock_.unlock();
}

Database::Database(Path file)
    : file_(std::move(file)), connection_(std::make_unique<Connection>()) {
    has_reserve_ = sys::find_stat(reserve_file()).has_value();
    spend_reserve_when_full();  // even opening takes some space
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (const int code = sqlite3_open_v2(file_.c_str(), &connection_->handle, flags, nullptr);
        code != SQLITE_OK)
        connection_->fail(file_, code, "open");
    sqlite3_extended_result_codes(connection_->handle, 1);
    // The file grows by more than it needs, so that a checkpoint finds room on a full disk.
    int chunk = growth_bytes;
    sqlite3_file_control(connection_->handle, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
    sqlite3_busy_timeout(connection_->handle, busy_timeout_ms);
    run_script(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
        "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-512; PRAGMA wal_autocheckpoint=500;"
        "CREATE TABLE IF NOT EXISTS schema_versions"
        "(component TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID");
}

Database::~Database() = default;

int Database::schema_version(std::string_view component) {
    const auto row =
        query_one<int>("SELECT version FROM schema_versions WHERE component=?", component);
    return row ? std::get<0>(*row) : 0;
}

void Database::migrate(std::string_view component, std::span<const Migration> migrations) {
    const int newest = static_cast<int>(migrations.size());
    const int current = schema_version(component);
    if (current > newest)
        throw Error(ErrorKind::unsupported,
                    "database {}: the schema of `{}` has version {}, this program knows {}: it was "
                    "written by a newer version of hull",
                    file_, component, current, newest);
    for (int version = current + 1; version <= newest; ++version) {
        with_context(
            [&] {
            Transaction transaction = begin();
            run_script(migrations[static_cast<std::size_t>(version - 1)].up);
            execute("INSERT OR REPLACE INTO schema_versions(component, version) VALUES(?, ?)",
                    component, version);
            transaction.commit();
            },
            "migrating `{}` up to version {}", component, version);
    }
}

void Database::migrate_down(std::string_view component, std::span<const Migration> migrations,
                            int version) {
    for (int current = schema_version(component); current > version; --current) {
        if (current > static_cast<int>(migrations.size()))
            throw Error(ErrorKind::unsupported,
                        "database {}: this program does not know version {} of `{}`", file_,
                        current, component);
        with_context(
            [&] {
            Transaction transaction = begin();
            run_script(migrations[static_cast<std::size_t>(current - 1)].down);
            execute("UPDATE schema_versions SET version=? WHERE component=?", current - 1,
                    component);
            transaction.commit();
            },
            "migrating `{}` down from version {}", component, current);
    }
}

Transaction Database::begin() { return Transaction(*this); }

void Database::sync() {
    // SQLite locks the database and its -shm file, never the log, so a descriptor of our own does
    // no harm. Recovery reads the log up to the last commit whose checksums hold.
    const Path log_file = file_ + "-wal";
    if (!sys::find_stat(log_file)) return;
    sys::fdatasync(sys::open(log_file, O_RDONLY).get());
}

void Database::keep_reserve(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    reserve_bytes_ = bytes;
    const auto status = sys::find_stat(reserve_file());
    has_reserve_ = status && static_cast<std::uint64_t>(status->st_size) >= bytes;
    renew_reserve();
}

/// False when there was none.
bool Database::spend_reserve() noexcept {
    if (!has_reserve_) return false;
    has_reserve_ = false;
    log::warning("the disk of {} is full: its reserve of {} KiB is spent", file_,
                 reserve_bytes_ >> 10);
    return ::unlink(reserve_file().c_str()) == 0;
}

/// For a statement that has met a full disk `attempt` times before: whether to try it again.
bool Database::make_room(int attempt) noexcept {
    if (attempt == 0 && spend_reserve()) return true;
    if (attempt > 1 || transaction_depth_ > 0) return false;
    // The log is written from its start again once its pages are in the file, most of which have
    // their place there already.
    return sqlite3_wal_checkpoint_v2(connection_->handle, nullptr, SQLITE_CHECKPOINT_RESTART,
                                     nullptr, nullptr) == SQLITE_OK;
}

void Database::spend_reserve_when_full() noexcept {
    if (!has_reserve_) return;
    const auto free_bytes = find_free_bytes(file_);
    if (free_bytes && *free_bytes < change_bytes) spend_reserve();
}

void Database::renew_reserve() noexcept {
    if (reserve_bytes_ == 0 || has_reserve_ || monotonic_ns() < next_renewal_ns_) return;
    next_renewal_ns_ = monotonic_ns() + renewal_pause_ns;
    const auto free_bytes = find_free_bytes(file_);
    if (!free_bytes || *free_bytes < 2 * reserve_bytes_) return;
    const Fd reserve(::open(reserve_file().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    has_reserve_ =
        reserve && ::fallocate(reserve.get(), 0, 0, static_cast<off_t>(reserve_bytes_)) == 0;
    if (has_reserve_) return;
    if (errno != ENOSPC) reserve_bytes_ = 0;  // a file system that cannot
    ::unlink(reserve_file().c_str());
}

void Database::check_integrity() {
    for (const auto& [finding] : query<std::string>("PRAGMA quick_check"))
        if (finding != "ok") throw Error(ErrorKind::data_loss, "database {}: {}", file_, finding);
}

void Database::run_script(std::string_view sql) {
    const std::lock_guard lock(mutex_);
    const std::string text(sql);
    int code = sqlite3_exec(connection_->handle, text.c_str(), nullptr, nullptr, nullptr);
    const bool is_undone = transaction_depth_ > 0 && sqlite3_get_autocommit(connection_->handle);
    for (int attempt = 0; may_mean_full(code) && !is_undone && make_room(attempt); ++attempt)
        code = sqlite3_exec(connection_->handle, text.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) connection_->fail(file_, code, sql);
}

std::int64_t Database::run(std::string_view sql, std::span<const Parameter> parameters,
                           const std::function<void(const Columns&)>& on_row) {
    const std::lock_guard lock(mutex_);
    sqlite3* const handle = connection_->handle;
    auto found = connection_->statements.find(sql);
    if (found == connection_->statements.end()) {
        sqlite3_stmt* prepared = nullptr;
        const int code = sqlite3_prepare_v3(handle, sql.data(), static_cast<int>(sql.size()),
                                            SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
        if (code != SQLITE_OK) connection_->fail(file_, code, sql);
        found = connection_->statements.emplace(std::string(sql), prepared).first;
    }
    sqlite3_stmt* const statement = found->second;
    if (sqlite3_stmt_busy(statement))
        throw Error(ErrorKind::internal, "statement is running already: {}", sql);
    struct Reset {
        sqlite3_stmt* statement;
        ~Reset() {
            sqlite3_reset(statement);
            sqlite3_clear_bindings(statement);
        }
    } const reset{statement};

    int index = 0;
    for (const Parameter& parameter : parameters) {
        ++index;
        int code = SQLITE_OK;
        if (const auto* integer = std::get_if<std::int64_t>(&parameter))
            code = sqlite3_bind_int64(statement, index, *integer);
        else if (const auto* real = std::get_if<double>(&parameter))
            code = sqlite3_bind_double(statement, index, *real);
        else if (const auto* text = std::get_if<std::string_view>(&parameter))
            code = sqlite3_bind_text64(statement, index, text->data() ? text->data() : "",
                                       text->size(), SQLITE_STATIC, SQLITE_UTF8);
        else
            code = sqlite3_bind_null(statement, index);
        if (code != SQLITE_OK) connection_->fail(file_, code, sql);
    }
    for (int attempt = 0;;) {
        const int code = sqlite3_step(statement);
        if (code == SQLITE_DONE) break;
        if (code == SQLITE_ROW) {
            on_row(Columns(statement));
            continue;
        }
        const bool is_undone = transaction_depth_ > 0 && sqlite3_get_autocommit(handle);
        const bool is_full = may_mean_full(code) && !is_undone;
        if (!is_full) connection_->fail(file_, code, sql);
        sqlite3_reset(statement);  // which also unlocks what a checkpoint needs
        if (!make_room(attempt++)) connection_->fail(file_, code, sql);
    }
    renew_reserve();
    return sqlite3_changes64(handle);
}

}  // namespace hull::db
