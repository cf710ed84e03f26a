#include "transfer/background_hash.hh"

#include <gtest/gtest.h>

namespace hull::transfer {
namespace {

TEST(BackgroundHash, EqualsTheHashOfTheWhole) {
    constexpr std::size_t kib = 1024, mib = 1024 * kib;
    for (const std::size_t size : {0UL, 1UL, mib, mib + 1, mib + 256 * kib, 3 * mib + 12345}) {
        SCOPED_TRACE(size);
        std::string text(size, '\0');
        for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 >> 3);
        for (const std::size_t piece : {100'000UL, 256 * kib, 700'001UL}) {
            BackgroundHash hash;
            for (std::size_t at = 0; at < size; at += piece)
                hash.update(std::as_bytes(std::span(text)).subspan(at, std::min(piece, size - at)));
            EXPECT_EQ(hash.hex(), sha256_hex(text));
        }
    }
}

TEST(BackgroundHash, MayBeGivenUp) {
    BackgroundHash hash;
    const std::vector<std::byte> bytes(5'000'000);
    hash.update(bytes);
}

}  // namespace
}  // namespace hull::transfer
