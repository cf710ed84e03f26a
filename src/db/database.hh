#pragma once
#include "base/file.hh"

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace hull::db {

/// One step of a component's schema. `up` leads from `version - 1` to `version`, `down` back again;
/// both may hold several statements and run in one transaction.
struct Migration {
    int version = 0;
    std::string_view up, down;
};

/// A value bound to a `?` of a statement. The text must live until the statement has run.
using Parameter = std::variant<std::nullptr_t, std::int64_t, double, std::string_view>;

inline Parameter to_parameter(std::nullptr_t) { return nullptr; }
inline Parameter to_parameter(std::integral auto value) { return static_cast<std::int64_t>(value); }
inline Parameter to_parameter(double value) { return value; }
inline Parameter to_parameter(std::string_view value) { return value; }
template <typename T>
Parameter to_parameter(const std::optional<T>& value) {
    return value ? to_parameter(*value) : Parameter(nullptr);
}

/// The columns of the row a query stands on.
class Columns {
public:
    explicit Columns(void* statement) : statement_(statement) {}
    bool is_null(int index) const;
    std::int64_t integer(int index) const;  ///< NULL is 0
    double real(int index) const;
    std::string text(int index) const;  ///< NULL is ""

private:
    void* statement_;
};

void read_column(const Columns& columns, int index, std::int64_t& value);
void read_column(const Columns& columns, int index, std::uint64_t& value);
void read_column(const Columns& columns, int index, int& value);
void read_column(const Columns& columns, int index, bool& value);
void read_column(const Columns& columns, int index, double& value);
void read_column(const Columns& columns, int index, std::string& value);
template <typename T>
void read_column(const Columns& columns, int index, std::optional<T>& value) {
    if (columns.is_null(index))
        value.reset();
    else
        read_column(columns, index, value.emplace());
}

class Database;

/// Everything between `Database::begin` and `commit` is written together or not at all; rolled back
/// when it goes without commit(). Other threads wait meanwhile, so do no slow work inside.
class Transaction {
public:
    Transaction(Transaction&& other) noexcept;
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    /// Throws unavailable when the disk is full; then nothing was written.
    void commit();

private:
    friend class Database;
    explicit Transaction(Database& database);
    Database* database_;
    std::unique_lock<std::recursive_mutex> lock_;
};

/// One SQLite file in WAL mode with synchronous=NORMAL: a commit survives `kill -9` of the process;
/// power loss may take the last commits but leaves the file consistent. Safe for any number of
/// threads, which take turns.
class Database {
public:
    /// Opens or makes the file. Throws data_loss when it is no intact database, unavailable when
    /// another program keeps it locked.
    explicit Database(Path file);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    /// Brings `component` to the newest of its migrations, which are numbered 1, 2, 3, …
    /// Throws unsupported when the file was written by a newer program.
    void migrate(std::string_view component, std::span<const Migration> migrations);
    void migrate(std::string_view component, std::initializer_list<Migration> migrations) {
        migrate(component, std::span(migrations.begin(), migrations.size()));
    }
    /// Takes `component` down to `version` again.
    void migrate_down(std::string_view component, std::span<const Migration> migrations,
                      int version);
    /// 0 when the component has no schema yet.
    int schema_version(std::string_view component);

    /// Runs one statement and returns the number of rows it changed.
    template <typename... Args>
    std::int64_t execute(std::string_view sql, const Args&... args) {
        const Parameter parameters[] = {to_parameter(args)..., Parameter(nullptr)};
        return run(sql, std::span(parameters, sizeof...(Args)), [](const Columns&) {});
    }

    /// Runs one statement and returns its rows:
    /// `for (auto& [id, size] : database.query<std::string, std::int64_t>("SELECT …", name))`.
    template <typename... Types, typename... Args>
    std::vector<std::tuple<Types...>> query(std::string_view sql, const Args&... args) {
        const Parameter parameters[] = {to_parameter(args)..., Parameter(nullptr)};
        std::vector<std::tuple<Types...>> rows;
        run(sql, std::span(parameters, sizeof...(Args)), [&rows](const Columns& columns) {
            read_row(columns, rows.emplace_back(), std::index_sequence_for<Types...>());
        });
        return rows;
    }

    /// The first row, if there is one.
    template <typename... Types, typename... Args>
    std::optional<std::tuple<Types...>> query_one(std::string_view sql, const Args&... args) {
        auto rows = query<Types...>(sql, args...);
        if (rows.empty()) return std::nullopt;
        return std::move(rows.front());
    }

    /// A transaction of this thread; inside another one it is a part of that.
    Transaction begin();

    /// Makes everything committed so far survive power loss too (one fdatasync of the log).
    void sync();

    /// Keeps `bytes` of the disk in a file beside the database for the day it is full: they are
    /// given up so that rows can still be written, above all those of what makes room, and are
    /// taken again when there is room.
    void keep_reserve(std::uint64_t bytes);

    /// Throws data_loss with SQLite's own findings. Reads the whole file.
    void check_integrity();

    const Path& file() const { return file_; }

private:
    friend class Transaction;
    struct Connection;

    std::int64_t run(std::string_view sql, std::span<const Parameter> parameters,
                     const std::function<void(const Columns&)>& on_row);
    void run_script(std::string_view sql);
    Path reserve_file() const { return file_ + "-reserve"; }
    bool spend_reserve() noexcept;
    bool make_room(int attempt) noexcept;
    void spend_reserve_when_full() noexcept;
    void renew_reserve() noexcept;
    template <typename Row, std::size_t... Index>
    static void read_row(const Columns& columns, Row& row, std::index_sequence<Index...>) {
        (read_column(columns, static_cast<int>(Index), std::get<Index>(row)), ...);
    }

    Path file_;
    std::recursive_mutex mutex_;
    int transaction_depth_ = 0;
    bool transaction_failed_ = false;
    std::uint64_t reserve_bytes_ = 0;
    bool has_reserve_ = false;
    std::int64_t next_renewal_ns_ = 0;
    std::unique_ptr<Connection> connection_;
};

}  // namespace hull::db
