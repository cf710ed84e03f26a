#include "archive/tar_reader.hh"

#include "archive/tar_writer.hh"
#include "archive/test_tar.hh"
#include "base/error.hh"

#include <gtest/gtest.h>

#include <random>

namespace hull::archive {
namespace {

struct ReadEntry {
    Entry entry;
    std::string content;
};

std::vector<ReadEntry> read_all(std::string_view tar, std::size_t chunk_bytes = SIZE_MAX,
                                bool* end_marker_seen = nullptr) {
    MemorySource source(tar, chunk_bytes);
    TarReader reader(source);
    std::vector<ReadEntry> result;
    while (const Entry* entry = reader.next_entry()) {
        ReadEntry& read = result.emplace_back(ReadEntry{*entry, {}});
        for (auto chunk = reader.next(); !chunk.empty(); chunk = reader.next())
            read.content.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    }
    if (end_marker_seen) *end_marker_seen = reader.end_marker_seen();
    return result;
}

/// The message of the invalid_argument that reading `tar` throws.
std::string refusal(std::string_view tar) {
    try {
        read_all(tar);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.message();
    }
    ADD_FAILURE() << "was accepted";
    return {};
}

std::string base_256(std::size_t width, std::int64_t value) {
    std::string field(width, value < 0 ? '\xff' : '\0');
    for (std::size_t i = 0; i < 8 && i < width; ++i)
        field[width - 1 - i] = static_cast<char>(value >> (8 * i) & 0xff);
    field[0] = value < 0 ? '\xff' : static_cast<char>(field[0] | '\x80');
    return field;
}

TEST(TarReader, ReadsPlainEntriesInAnyChunking) {
    const std::string tar = test::directory("d/") + test::file("d/a", "hello") +
                            test::file("empty", "") + test::link('2', "s", "d/a") +
                            test::file("last", std::string(5000, 'x')) + test::end() +
                            "trailing bytes are drained";
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{512}, SIZE_MAX}) {
        SCOPED_TRACE(chunk);
        const auto entries = read_all(tar, chunk);
        ASSERT_EQ(entries.size(), 5U);
        EXPECT_EQ(entries[0].entry.type, EntryType::directory);
        EXPECT_EQ(entries[1].content, "hello");
        EXPECT_EQ(entries[1].entry.mode, 0644U);
        EXPECT_EQ(entries[3].entry.link_target, "d/a");
        EXPECT_EQ(entries[4].content, std::string(5000, 'x'));
    }
}

TEST(TarReader, DrainsTheStreamSoThatHashesAreWhole) {
    const std::string tar = test::file("a", "x") + test::end() + std::string(20000, '\0') + "tail";
    MemorySource source(tar, 100);
    std::size_t seen = 0;
    TeeSource tee(source, [&](std::span<const std::byte> bytes) { seen += bytes.size(); });
    TarReader reader(tee);
    while (reader.next_entry()) {
    }
    EXPECT_EQ(seen, tar.size());
}

TEST(TarReader, ReadsEveryWayToWriteANumber) {
    struct {
        std::string field;
        std::uint32_t uid;
    } const cases[] = {
        {"0001750", 1000},
        {"   1750 ", 1000},
        {base_256(8, 2'000'000'000), 2'000'000'000},
        {base_256(8, 4'294'967'294), 4'294'967'294},
        {base_256(8, -2), 4'294'967'294},  // nobody, as some systems write it
    };
    for (const auto& [field, uid] : cases) {
        test::RawHeader header;
        header.name = "f";
        header.uid = field;
        EXPECT_EQ(read_all(header.block() + test::end()).at(0).entry.uid, uid);
    }
}

TEST(TarReader, ReadsTimesBefore1970AndBelowASecond) {
    struct {
        std::string mtime;
        Timestamp expected;
    } const cases[] = {
        {"1350244992.023960108", {1350244992, 23960108}},
        {"1.5", {1, 500000000}},
        {"-1.5", {-2, 500000000}},
        {"-0.25", {-1, 750000000}},
        {"-10", {-10, 0}},
        {"8589934592.000000001", {8589934592, 1}},  // beyond 11 octal digits: the year 2242
        {"3.1234567899999", {3, 123456789}},
    };
    for (const auto& [text, expected] : cases) {
        SCOPED_TRACE(text);
        const auto entries =
            read_all(test::pax('x', {{"mtime", text}}) + test::file("f", "") + test::end());
        EXPECT_EQ(entries.at(0).entry.mtime.seconds, expected.seconds);
        EXPECT_EQ(entries.at(0).entry.mtime.nanoseconds, expected.nanoseconds);
    }
}

TEST(TarReader, AppliesPaxOverGnuOverUstar) {
    test::RawHeader long_name;
    long_name.name = "././@LongLink";
    long_name.type = 'L';
    const std::string name(300, 'n');
    long_name.size = name.size() + 1;
    const std::string gnu = long_name.block() + test::padded(name + '\0');
    EXPECT_EQ(read_all(gnu + test::file("short", "x") + test::end()).at(0).entry.name, name);

    test::RawHeader prefixed;
    prefixed.name = "name";
    prefixed.prefix = "some/prefix";
    EXPECT_EQ(read_all(prefixed.block()).at(0).entry.name, "some/prefix/name");

    const auto entries = read_all(
        test::pax('g', {{"uname", "everyone"}, {"mtime", "5"}}) +
        test::pax('x', {{"path", "p\xff\xfe"}, {"mtime", "7"}, {"SCHILY.xattr.user.a", "v\n="}}) +
        test::file("short", "x") + test::file("second", "") + test::end());
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].entry.name, "p\xff\xfe");
    EXPECT_EQ(entries[0].entry.mtime.seconds, 7);
    EXPECT_EQ(entries[0].entry.xattrs.at("user.a"), "v\n=");
    EXPECT_EQ(entries[1].entry.user_name, "everyone");
    EXPECT_EQ(entries[1].entry.mtime.seconds, 5);
    EXPECT_TRUE(entries[1].entry.xattrs.empty());
}

TEST(TarReader, DecodesLibarchiveXattrs) {
    const auto entries = read_all(test::pax('x', {{"LIBARCHIVE.xattr.user.a%3Db", "AAECAw=="}}) +
                                  test::file("f", "") + test::end());
    EXPECT_EQ(entries.at(0).entry.xattrs.at("user.a=b"), std::string("\0\1\2\3", 4));
}

TEST(TarReader, ReadsSparseFilesOfEachDialect) {
    // A file of 10240 bytes with "abc" at 512 and "z" at its end.
    const std::vector<Extent> extents{{512, 3}, {10239, 1}};
    const auto check = [&](const std::string& tar) {
        const auto entries = read_all(tar + test::file("next", "n") + test::end(), 100);
        ASSERT_EQ(entries.size(), 2U);
        EXPECT_TRUE(entries[0].entry.sparse);
        EXPECT_EQ(entries[0].entry.name, "sparse");
        EXPECT_EQ(entries[0].entry.size, 10240U);
        EXPECT_EQ(entries[0].entry.extents, extents);
        EXPECT_EQ(entries[0].content, "abcz");
        EXPECT_EQ(entries[1].content, "n");
    };
    test::RawHeader stored;
    stored.name = "GNUSparseFile.0/sparse";
    stored.size = 4;
    check(test::pax('x', {{"GNU.sparse.map", "512,3,10239,1"},
                          {"GNU.sparse.name", "sparse"},
                          {"GNU.sparse.numblocks", "2"},
                          {"GNU.sparse.size", "10240"}}) +
          stored.block() + test::padded("abcz"));
    const std::string map = test::padded("2\n512\n3\n10239\n1\n");
    stored.size = map.size() + 4;
    check(test::pax('x', {{"GNU.sparse.major", "1"},
                          {"GNU.sparse.minor", "0"},
                          {"GNU.sparse.name", "sparse"},
                          {"GNU.sparse.realsize", "10240"}}) +
          stored.block() + map + test::padded("abcz"));
    std::string pairs = test::pax_record("GNU.sparse.size", "10240") +
                        test::pax_record("GNU.sparse.numblocks", "2");
    for (const Extent& extent : extents)
        pairs += test::pax_record("GNU.sparse.offset", fmt::format("{}", extent.offset)) +
                 test::pax_record("GNU.sparse.numbytes", fmt::format("{}", extent.size));
    test::RawHeader pax;
    pax.type = 'x';
    pax.name = "pax";
    pax.size = pairs.size();
    check(pax.block() + test::padded(pairs) + test::file("sparse", "abcz"));
}

TEST(TarReader, RefusesSparseMapsThatDoNotFit) {
    const std::pair<std::string, std::string> cases[] = {
        {"512,3,512,1", "4"},              // overlap
        {"0,4", "3"},                      // beyond the end
        {"18446744073709551615,4", "10"},  // overflow
        {"0,3", "10"},                     // less than what is stored
        {"0,4,5", "10"},                   // no pairs
        {"0,-4", "10"},
    };
    for (const auto& [map, size] : cases) {
        SCOPED_TRACE(map);
        EXPECT_NE(refusal(test::pax('x', {{"GNU.sparse.map", map}, {"GNU.sparse.size", size}}) +
                          test::file("f", "abcd") + test::end()),
                  "");
    }
    EXPECT_NE(refusal(test::pax('x', {{"GNU.sparse.major", "1"}, {"GNU.sparse.realsize", "5"}}) +
                      test::file("f", "99999999999\n") + test::end()),
              "");
}

TEST(TarReader, NamesTheEntryThatIsMalformed) {
    struct {
        std::string tar, message;
    } const cases[] = {
        {std::string(512, 'x'), "checksum is wrong"},
        {"not a tar", "middle of a header"},
        {test::file("f", "data").substr(0, 512 + 2), "entry \"f\": the archive ends 2 bytes"},
        {test::pax('x', {{"size", "18446744073709551615"}}) + test::file("f", ""), "absurd"},
        {test::pax('x', {{"size", "-1"}}) + test::file("f", ""), "entry \"f\": the size"},
        {test::pax('x', {{"uid", "4294967296"}}) + test::file("f", ""), "does not fit in 32 bits"},
        {test::pax('x', {{"mtime", "yesterday"}}) + test::file("f", ""), "mtime"},
        {test::pax('x', {{"path", std::string("a\0b", 3)}}) + test::file("f", ""), "NUL"},
        {test::pax('x', {{"comment", "lonely"}}) + test::end(), "without an entry"},
        {test::file("f", "") + std::string(512, '\0') + test::file("g", ""), "lone zero block"},
        {test::link('q', "odd", ""), "unknown entry type"},
        {test::link('2', "s", ""), "without a target"},
        {test::file("", ""), "without a name"},
    };
    for (const auto& [tar, message] : cases) {
        SCOPED_TRACE(message);
        EXPECT_NE(refusal(tar).find(message), std::string::npos) << refusal(tar);
    }
    test::RawHeader negative;
    negative.name = "n";
    negative.size_field = base_256(12, -512);
    EXPECT_NE(refusal(negative.block()), "");
}

TEST(TarReader, BoundsWhatItHoldsInMemory) {
    std::string loop;
    for (int i = 0; i < 40; ++i) loop += test::pax('x', {{"comment", "again"}});
    EXPECT_NE(refusal(loop + test::file("f", "")).find("too many extended headers"),
              std::string::npos);
    test::RawHeader huge;
    huge.name = "pax";
    huge.type = 'x';
    huge.size = 1ULL << 32;
    EXPECT_NE(refusal(huge.block()).find("larger than the limit"), std::string::npos);
    huge.type = 'L';
    EXPECT_NE(refusal(huge.block()).find("larger than the limit"), std::string::npos);
    std::string globals;
    for (int i = 0; i < 20; ++i)
        globals += test::pax('g', {{"comment" + fmt::format("{}", i), std::string(100000, 'c')}});
    EXPECT_NE(refusal(globals).find("too many global records"), std::string::npos);
}

TEST(TarReader, NoticesWhereverItIsCut) {
    const std::string tar = test::pax('x', {{"mtime", "1.5"}}) +
                            test::file("one", std::string(700, '1')) + test::directory("d/") +
                            test::file("d/two", "22") + test::end();
    const std::size_t content_end = tar.size() - 1024;
    for (std::size_t cut = 0; cut < content_end; ++cut) {
        bool marker = true;
        try {
            const auto entries = read_all(std::string_view(tar).substr(0, cut), SIZE_MAX, &marker);
            // Only between two entries may a stream just stop, and then that shows.
            EXPECT_FALSE(marker);
            EXPECT_EQ(cut % 512, 0U) << cut;
            EXPECT_LT(entries.size(), 3U);
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        }
    }
}

TEST(TarReader, SurvivesFlippedBytes) {
    const std::string tar =
        test::pax('g', {{"uname", "u"}}) +
        test::pax('x', {{"mtime", "1.5"}, {"GNU.sparse.map", "0,3"}, {"GNU.sparse.size", "9"}}) +
        test::file("one", "111") + test::link('1', "l", "one") +
        test::file("two", std::string(600, '2')) + test::end();
    std::mt19937 random(48);
    for (int round = 0; round < 20'000; ++round) {
        std::string damaged = tar;
        for (int i = 0; i < 3; ++i)
            damaged[random() % damaged.size()] = static_cast<char>(random());
        try {
            read_all(damaged, 1 + random() % 1000);
        } catch (const Error& error) {
            ASSERT_EQ(error.kind(), ErrorKind::invalid_argument);
        }
    }
}

TEST(TarWriter, WritesWhatTheReaderReads) {
    Entry rich;
    rich.name = std::string(260, 'd') + "/\xc3\xbc\xff";
    rich.mode = 06755;
    rich.uid = 2'000'000'000;
    rich.gid = 4'294'967'294;
    rich.mtime = {-5, 250'000'000};
    rich.xattrs = {{"security.capability", std::string("\1\0\0\2\n", 5)}, {"user.x", ""}};
    Entry link;
    link.type = EntryType::symlink;
    link.name = "link";
    link.link_target = std::string(150, 't');
    Entry device;
    device.type = EntryType::block_device;
    device.name = "dev";
    device.device_major = 8;
    device.device_minor = 17;
    Entry prefixed;
    prefixed.name = std::string(120, 'p') + "/" + std::string(90, 'n');

    std::string tar;
    TarWriter writer([&](std::span<const std::byte> bytes) {
        tar.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    writer.add_file(rich, "content");
    writer.add(link);
    writer.add(device);
    writer.add_file(prefixed, "");
    writer.finish();
    EXPECT_EQ(tar.size() % 512, 0U);

    bool marker = false;
    const auto entries = read_all(tar, SIZE_MAX, &marker);
    EXPECT_TRUE(marker);
    ASSERT_EQ(entries.size(), 4U);
    EXPECT_EQ(entries[0].content, "content");
    EXPECT_EQ(entries[0].entry.name, rich.name);
    EXPECT_EQ(entries[0].entry.mode, rich.mode);
    EXPECT_EQ(entries[0].entry.uid, rich.uid);
    EXPECT_EQ(entries[0].entry.gid, rich.gid);
    EXPECT_EQ(entries[0].entry.mtime, rich.mtime);
    EXPECT_EQ(entries[0].entry.xattrs, rich.xattrs);
    EXPECT_EQ(entries[1].entry.link_target, link.link_target);
    EXPECT_EQ(entries[2].entry.device_minor, 17U);
    EXPECT_EQ(entries[3].entry.name, prefixed.name);
}

TEST(TarWriter, RefusesContentOfTheWrongSize) {
    TarWriter writer([](std::span<const std::byte>) {});
    Entry entry;
    entry.name = "f";
    entry.size = 2;
    writer.add(entry);
    EXPECT_THROW(writer.finish(), Error);
    EXPECT_THROW(writer.write(std::as_bytes(std::span("abc", 3))), Error);
}

}  // namespace
}  // namespace hull::archive
