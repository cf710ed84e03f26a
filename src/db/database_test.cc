#include "db/database.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <thread>

namespace hull::db {
namespace {

class DatabaseTest : public ::testing::Test {
protected:
    DatabaseTest() : directory_("/tmp/hull-db-" + random_hex(8)) { sys::mkdir(directory_, 0700); }
    ~DatabaseTest() override { sys::remove_tree(directory_); }

    Path file() const { return join(directory_, "hull.db"); }
    const Path directory_;
};

constexpr Migration thing_migrations[] = {
    {1, "CREATE TABLE things(name TEXT PRIMARY KEY, size INTEGER)", "DROP TABLE things"},
    {2, "ALTER TABLE things ADD COLUMN colour TEXT", "ALTER TABLE things DROP COLUMN colour"},
};

TEST_F(DatabaseTest, ValuesComeBackAsTheyWentIn) {
    Database database(file());
    database.migrate("things", thing_migrations);
    const std::string odd("a\0b'\xc3\xa9", 6);
    database.execute("INSERT INTO things VALUES(?,?,?)", odd, std::int64_t{1} << 40, nullptr);
    const auto row = database.query_one<std::string, std::int64_t, std::optional<std::string>>(
        "SELECT name, size, colour FROM things WHERE name=?", odd);
    ASSERT_TRUE(row);
    EXPECT_EQ(std::get<0>(*row), odd);
    EXPECT_EQ(std::get<1>(*row), std::int64_t{1} << 40);
    EXPECT_FALSE(std::get<2>(*row));
    EXPECT_FALSE(database.query_one<int>("SELECT 1 FROM things WHERE name=?", "absent"));
}

TEST_F(DatabaseTest, CommittedRowsAreThereAfterReopening) {
    {
        Database database(file());
        database.migrate("things", thing_migrations);
        Transaction kept = database.begin();
        database.execute("INSERT INTO things(name) VALUES('kept')");
        kept.commit();
        Transaction dropped = database.begin();
        database.execute("INSERT INTO things(name) VALUES('dropped')");
        database.sync();
    }
    Database database(file());
    database.migrate("things", thing_migrations);
    EXPECT_EQ(database.query<std::string>("SELECT name FROM things"),
              (std::vector<std::tuple<std::string>>{{"kept"}}));
}

TEST_F(DatabaseTest, AnInnerTransactionThatFailsTakesTheOuterOneWithIt) {
    Database database(file());
    database.migrate("things", thing_migrations);
    {
        Transaction outer = database.begin();
        database.execute("INSERT INTO things(name) VALUES('outer')");
        { Transaction inner = database.begin(); }
        EXPECT_THROW(outer.commit(), Error);
    }
    EXPECT_TRUE(database.query<std::string>("SELECT name FROM things").empty());
}

TEST_F(DatabaseTest, MigrationsGoUpAndDown) {
    Database database(file());
    database.migrate("things", thing_migrations);
    EXPECT_EQ(database.schema_version("things"), 2);
    database.migrate("things", thing_migrations);
    database.migrate_down("things", thing_migrations, 1);
    EXPECT_EQ(database.schema_version("things"), 1);
    EXPECT_THROW(database.execute("SELECT colour FROM things"), Error);
    database.migrate("things", thing_migrations);
    database.execute("INSERT INTO things VALUES('a', 1, 'red')");
}

TEST_F(DatabaseTest, AFailedMigrationChangesNothing) {
    Database database(file());
    database.migrate("things", std::span(thing_migrations).first(1));
    const Migration broken[] = {thing_migrations[0],
                                {2, "CREATE TABLE other(x); CREATE TABLE things(x)", ""}};
    EXPECT_THROW(database.migrate("things", broken), Error);
    EXPECT_EQ(database.schema_version("things"), 1);
    EXPECT_THROW(database.execute("INSERT INTO other VALUES(1)"), Error);
}

TEST_F(DatabaseTest, ANewerSchemaIsRefusedAndSaysSo) {
    Database database(file());
    database.migrate("things", thing_migrations);
    try {
        database.migrate("things", std::span(thing_migrations).first(1));
        FAIL() << "accepted a schema of the future";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::unsupported);
        EXPECT_NE(error.message().find("newer version of hull"), std::string::npos);
    }
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsRefusedAndNamed) {
    write_file(file(), std::string(8192, 'x'));
    try {
        Database database(file());
        FAIL() << "opened garbage";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::data_loss);
        EXPECT_NE(error.message().find(file()), std::string::npos);
    }
    EXPECT_EQ(read_file(file()), std::string(8192, 'x')) << "evidence must stay";
}

TEST_F(DatabaseTest, ADuplicateKeyIsAConflict) {
    Database database(file());
    database.migrate("things", thing_migrations);
    database.execute("INSERT INTO things(name) VALUES('a')");
    try {
        database.execute("INSERT INTO things(name) VALUES('a')");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::conflict);
    }
}

TEST_F(DatabaseTest, ThreadsTakeTurns) {
    Database database(file());
    database.migrate("things", thing_migrations);
    std::vector<std::thread> threads;
    for (int worker = 0; worker < 4; ++worker)
        threads.emplace_back([&database, worker] {
            for (int i = 0; i < 50; ++i) {
                Transaction transaction = database.begin();
                database.execute("INSERT INTO things(name, size) VALUES(?, ?)",
                                 std::to_string(worker) + "/" + std::to_string(i), i);
                transaction.commit();
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(database.query_one<int>("SELECT count(*) FROM things"), std::tuple(200));
    database.check_integrity();
}

TEST_F(DatabaseTest, AFullDiskIsNamedAndTheStoreGoesOn) {
    const Path small = join(directory_, "small");
    sys::mkdir(small, 0700);
    if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "no root";
    struct Unmount {
        const Path& path;
        ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
    } const unmount{small};
    {
        Database database(join(small, "hull.db"));
        database.migrate("things", thing_migrations);
        database.execute("INSERT INTO things(name) VALUES('before')");
        const std::string big(4 << 20, 'b');
        try {
            database.execute("INSERT INTO things(name) VALUES(?)", big);
            FAIL() << "wrote 4 MB to 1 MB";
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::unavailable);
            EXPECT_NE(error.message().find("database or disk is full"), std::string::npos)
                << error.message();
            EXPECT_NE(error.message().find("KiB are left"), std::string::npos) << error.message();
        }
        database.execute("INSERT INTO things(name) VALUES('after')");
        EXPECT_EQ(database.query_one<int>("SELECT count(*) FROM things"), std::tuple(2));
    }
}

TEST_F(DatabaseTest, AReserveCarriesRowsOverAFullDiskAndIsTakenAgain) {
    const Path small = join(directory_, "reserve");
    sys::mkdir(small, 0700);
    if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=4m") != 0) GTEST_SKIP() << "no root";
    struct Unmount {
        const Path& path;
        ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
    } const unmount{small};
    Database database(join(small, "hull.db"));
    database.migrate("things", thing_migrations);
    database.keep_reserve(512 << 10);
    ASSERT_TRUE(sys::find_stat(join(small, "hull.db-reserve")));
    try {
        write_file(join(small, "filler"), std::string(8 << 20, 'x'));
    } catch (const Error&) {  // full, as it should be
    }
    for (int i = 0; i < 20; ++i)
        database.execute("INSERT INTO things(name, size) VALUES(?, ?)", std::to_string(i), i);
    EXPECT_FALSE(sys::find_stat(join(small, "hull.db-reserve")));
    sys::unlink(join(small, "filler"));
    database.execute("DELETE FROM things WHERE name='0'");
    const std::int64_t deadline = monotonic_ns() + 5'000'000'000;  // it is not tried at every row
    while (!sys::find_stat(join(small, "hull.db-reserve")) && monotonic_ns() < deadline)
        database.execute("UPDATE things SET size=1 WHERE name='1'");
    EXPECT_TRUE(sys::find_stat(join(small, "hull.db-reserve")));
    EXPECT_EQ(database.query_one<int>("SELECT count(*) FROM things"), std::tuple(19));
}

TEST_F(DatabaseTest, AcknowledgedRowsSurviveKillNine) {
    for (int round = 0; round < 5; ++round) {
        sys::Pipe pipe = sys::pipe();
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            Database database(file());
            database.migrate("things", thing_migrations);
            for (int i = 0;; ++i) {
                database.execute("INSERT INTO things(name) VALUES(?)",
                                 std::to_string(round) + "/" + std::to_string(i));
                if (::write(pipe.write_end.get(), "x", 1) != 1) ::_exit(1);
            }
        }
        pipe.write_end.reset();
        int acknowledged = 0;
        std::byte byte[1];
        for (; acknowledged < 50 + 37 * round; ++acknowledged)
            ASSERT_EQ(sys::read(pipe.read_end.get(), byte), 1U);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        while (sys::read(pipe.read_end.get(), byte) == 1) ++acknowledged;
        Database database(file());
        database.check_integrity();
        const auto count = database.query_one<int>("SELECT count(*) FROM things WHERE name LIKE ?",
                                                   std::to_string(round) + "/%");
        EXPECT_GE(std::get<0>(*count), acknowledged);
        EXPECT_LE(std::get<0>(*count), acknowledged + 1);
    }
}

}  // namespace
}  // namespace hull::db
