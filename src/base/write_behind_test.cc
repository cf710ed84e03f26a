#include "base/write_behind.hh"

#include "base/file.hh"
#include "base/sys.hh"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <thread>

namespace hull {
namespace {

/// An unnamed file in `directory`, and the same opened with O_DIRECT where that can be.
struct Target {
    explicit Target(const char* directory)
        : fd(::open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)),
          direct(::open(("/proc/self/fd/" + std::to_string(fd.get())).c_str(),
                        O_WRONLY | O_DIRECT | O_CLOEXEC)) {}
    std::string content() const {
        std::string text(static_cast<std::size_t>(sys::fstat(fd.get()).st_size), '\0');
        text.resize(static_cast<std::size_t>(::pread(fd.get(), text.data(), text.size(), 0)));
        return text;
    }
    Fd fd, direct;
};

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Pieces of all sizes, now and then a hole, `size` bytes in all.
std::string write_pieces(WriteBehind& writer, std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::string all(size, '\0');
    for (std::size_t at = 0; at < size;) {
        std::size_t count =
            std::min<std::size_t>(size - at, 1 + random() % (random() % 3 ? 9000 : 700'000));
        if (random() % 40 == 0) {
            at += count;
            continue;
        }
        for (std::size_t i = 0; i < count; ++i) all[at + i] = static_cast<char>(random());
        writer.write(at, bytes(std::string_view(all).substr(at, count)));
        at += count;
        if (random() % 200 == 0) writer.drain();
    }
    writer.drain();
    return all;
}

TEST(WriteBehind, WritesWhatItIsGivenWhereItBelongs) {
    for (const char* directory : {"/var/tmp", "/dev/shm"})
        for (const std::size_t size :
             {1UL, 4095UL, 1UL << 20, (5UL << 20) + 3, (24UL << 20) + 4097}) {
            Target target(directory);
            ASSERT_TRUE(target.fd);
            WriteBehind writer(target.fd.get(), std::move(target.direct));
            std::string expected = write_pieces(writer, size, static_cast<unsigned>(size));
            std::string content = target.content();
            content.resize(size);  // a hole at the end is not written
            EXPECT_TRUE(content == expected) << directory << " " << size;
        }
}

TEST(WriteBehind, AFileSystemThatRefusesDirectWritesGetsThemThroughItsCache) {
    Target target("/var/tmp");
    // A descriptor that cannot be written to at an offset, in the place of one with O_DIRECT.
    WriteBehind writer(target.fd.get(), Fd(::eventfd(0, EFD_CLOEXEC)));
    EXPECT_TRUE(
        write_pieces(writer, 20UL << 20, 7).compare(0, 1UL << 20, target.content(), 0, 1UL << 20) ==
        0);
}

TEST(WriteBehind, WhatIsGatheredIsWrittenAfterAWhile) {
    Target target("/var/tmp");
    WriteBehind writer(target.fd.get(), std::move(target.direct), std::chrono::milliseconds(1));
    writer.write(0, bytes("some bytes"));
    for (int i = 0; i < 10'000 && target.content() != "some bytes"; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(target.content(), "some bytes");
}

TEST(WriteBehind, TellsWhatWentWrong) {
    const Fd not_writable = sys::open("/dev/null", O_RDONLY);
    WriteBehind writer(not_writable.get());
    writer.write(0, bytes("x"));
    EXPECT_THROW(writer.drain(), Error);

    const Fd full = sys::open("/dev/full", O_WRONLY);
    WriteBehind large(full.get());
    const std::string piece(3UL << 20, 'x');
    try {
        for (std::uint64_t i = 0; i < 10; ++i) large.write(i * piece.size(), bytes(piece));
        large.drain();
        ADD_FAILURE() << "a full disk took everything";
    } catch (const Error& error) {
        EXPECT_EQ(error.error_number(), ENOSPC);
    }
}

}  // namespace
}  // namespace hull
