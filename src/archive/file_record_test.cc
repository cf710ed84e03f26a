#include "archive/file_record.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

#include <cstring>

namespace hull::archive {
namespace {

std::string records(const Entry& entry, std::string_view data) {
    std::string stream;
    RecordWriter writer([&](std::span<const std::byte> bytes) {
        stream.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    MemorySource source(data);
    writer.add(entry, source);
    writer.finish();
    return stream;
}

std::string read_data(ByteSource& source) {
    std::string text;
    for (auto chunk = source.next(); !chunk.empty(); chunk = source.next())
        text.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    return text;
}

Entry some_file() {
    Entry entry;
    entry.name = "a/b";
    entry.mode = 04755;
    entry.uid = 7;
    entry.gid = 4294967294;
    entry.mtime = {-5, 999'999'999};
    entry.size = 5;
    entry.xattrs = {{"user.x", std::string("\0y", 2)}};
    return entry;
}

TEST(FileRecord, WhatIsWrittenIsRead) {
    for (const std::size_t chunk : {1UL, 3UL, 4096UL}) {
        const std::string stream = records(some_file(), "hello");
        MemorySource source(stream, chunk);
        RecordReader reader(source);
        const Entry* entry = reader.next_entry();
        ASSERT_TRUE(entry);
        const Entry wanted = some_file();
        EXPECT_EQ(entry->name, wanted.name);
        EXPECT_EQ(entry->mode, wanted.mode);
        EXPECT_EQ(entry->uid, wanted.uid);
        EXPECT_EQ(entry->gid, wanted.gid);
        EXPECT_EQ(entry->mtime, wanted.mtime);
        EXPECT_EQ(entry->xattrs, wanted.xattrs);
        EXPECT_EQ(read_data(reader), "hello");
        EXPECT_FALSE(reader.next_entry());
        EXPECT_FALSE(reader.next_entry());
    }
}

TEST(FileRecord, DataThatNobodyReadsIsSkippedAndExtentsAreKept) {
    Entry sparse = some_file();
    sparse.sparse = true;
    sparse.size = 1UL << 40;
    sparse.extents = {{4096, 3}, {1UL << 39, 2}};
    std::string stream = records(sparse, "hello");
    stream.resize(stream.size() - 72);  // without its end
    stream += records(some_file(), "world");
    MemorySource source(stream, 7);
    RecordReader reader(source);
    ASSERT_TRUE(reader.next_entry());
    const Entry* entry = reader.next_entry();
    ASSERT_TRUE(entry);
    EXPECT_EQ(read_data(reader), "world");
    MemorySource again(stream);
    RecordReader second(again);
    EXPECT_EQ(second.next_entry()->extents, sparse.extents);
    EXPECT_EQ(read_data(second), "hello");
}

TEST(FileRecord, NamesThatAreNotCleanAreRefused) {
    for (const std::string& name :
         {std::string("/a"), std::string("a/"), std::string("a//b"), std::string("../a"),
          std::string("a/.."), std::string("./a"), std::string("a\0b", 3), std::string(256, 'x'),
          std::string(5000, '/')}) {
        SCOPED_TRACE(quoted(name));
        Entry entry = some_file();
        entry.name = name;
        const std::string stream = records(entry, "hello");
        MemorySource source(stream);
        RecordReader reader(source);
        EXPECT_THROW(reader.next_entry(), Error);
        Entry link = some_file();
        link.type = EntryType::hard_link;
        link.size = 0;
        link.link_target = name;
        const std::string links = records(link, "");
        MemorySource link_source(links);
        RecordReader link_reader(link_source);
        EXPECT_THROW(link_reader.next_entry(), Error);
    }
}

/// A stream cut anywhere is an error, never a shorter archive.
TEST(FileRecord, EveryCutIsSeen) {
    const std::string stream = records(some_file(), "hello");
    for (std::size_t size = 0; size < stream.size(); ++size) {
        MemorySource source(std::string_view(stream).substr(0, size));
        RecordReader reader(source);
        EXPECT_THROW(
            {
                while (reader.next_entry()) read_data(reader);
            },
            Error)
            << size;
    }
}

TEST(FileRecord, NumbersOutOfRangeAreRefused) {
    const std::string good = records(some_file(), "hello");
    const auto refused = [&](std::size_t offset, std::uint32_t value) {
        std::string bad = good;
        std::memcpy(bad.data() + offset, &value, sizeof value);
        MemorySource source(bad);
        RecordReader reader(source);
        EXPECT_THROW(reader.next_entry(), Error) << offset << " " << value;
    };
    refused(0, 0);            // magic
    refused(4, 7);            // type
    refused(8, 010000);       // mode
    refused(28, 4097);        // length of the name
    refused(32, 1U << 31);    // length of the link
    refused(36, 1025);        // extended attributes
    refused(40, 1);           // extents of a file without holes
    refused(44, 2);           // sparse
    refused(48, 1000000000);  // nanoseconds
    refused(68, 1U << 31);    // size
}

}  // namespace
}  // namespace hull::archive
