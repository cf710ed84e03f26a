#include "archive/codec.hh"

#include "base/error.hh"

#include <bzlib.h>
#include <gtest/gtest.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <zstd.h>

#include <random>

namespace hull::archive {
namespace {

std::string gzip(std::string_view text) {
    std::string result(text.size() + 1000, '\0');
    isal_zstream stream;
    isal_deflate_stateless_init(&stream);
    stream.gzip_flag = IGZIP_GZIP;
    stream.end_of_stream = 1;
    stream.flush = NO_FLUSH;
    stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<std::uint32_t>(text.size());
    stream.next_out = reinterpret_cast<std::uint8_t*>(result.data());
    stream.avail_out = static_cast<std::uint32_t>(result.size());
    EXPECT_EQ(isal_deflate_stateless(&stream), COMP_OK);
    result.resize(stream.total_out);
    return result;
}

std::string zstd(std::string_view text) {
    std::string result(ZSTD_compressBound(text.size()), '\0');
    result.resize(ZSTD_compress(result.data(), result.size(), text.data(), text.size(), 3));
    return result;
}

std::string bzip2(std::string_view text) {
    std::string result(text.size() + text.size() / 100 + 600, '\0');
    auto size = static_cast<unsigned>(result.size());
    EXPECT_EQ(BZ2_bzBuffToBuffCompress(result.data(), &size, const_cast<char*>(text.data()),
                                       static_cast<unsigned>(text.size()), 1, 0, 0),
              BZ_OK);
    result.resize(size);
    return result;
}

std::string xz(std::string_view text) {
    std::string result(lzma_stream_buffer_bound(text.size()), '\0');
    std::size_t size = 0;
    EXPECT_EQ(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr,
                                      reinterpret_cast<const std::uint8_t*>(text.data()),
                                      text.size(), reinterpret_cast<std::uint8_t*>(result.data()),
                                      &size, result.size()),
              LZMA_OK);
    result.resize(size);
    return result;
}

std::string decompress(std::string_view bytes, std::size_t chunk = SIZE_MAX) {
    MemorySource source(bytes, chunk);
    Decompressor decompressor(source);
    std::string result;
    for (auto part = decompressor.next(); !part.empty(); part = decompressor.next())
        result.append(reinterpret_cast<const char*>(part.data()), part.size());
    return result;
}

/// Some text that compresses somewhat, larger than one buffer.
std::string sample() {
    std::mt19937 random(1);
    std::string text;
    while (text.size() < 700'000)
        text.append(random() % 40, static_cast<char>('a' + random() % 26));
    return text;
}

TEST(Codec, DecompressesEveryMemberInAnyChunking) {
    const std::string text = sample(), more = "second member";
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{1000}, SIZE_MAX}) {
        SCOPED_TRACE(chunk);
        EXPECT_EQ(decompress(text, chunk), text);
        EXPECT_EQ(decompress(gzip(text) + gzip(more), chunk), text + more);
        EXPECT_EQ(decompress(gzip(text) + std::string(700, '\0'), chunk), text);
        EXPECT_EQ(decompress(zstd(text) + zstd(more), chunk), text + more);
        EXPECT_EQ(decompress(bzip2(text) + bzip2(more), chunk), text + more);
        EXPECT_EQ(decompress(xz(text) + xz(more) + std::string(8, '\0'), chunk), text + more);
        // A skippable frame, as zstd:chunked has.
        EXPECT_EQ(decompress(zstd(more) + std::string("\x50\x2a\x4d\x18\3\0\0\0abc", 11), chunk),
                  more);
    }
    EXPECT_EQ(decompress(""), "");
    EXPECT_EQ(decompress("a"), "a");
    for (const std::string& nothing : {gzip(""), zstd(""), bzip2(""), xz("")})
        EXPECT_EQ(decompress(nothing), "");
}

TEST(Codec, RefusesWhatIsCutOrCorrupt) {
    const std::string text = sample();
    for (const std::string& whole : {gzip(text), zstd(text), bzip2(text), xz(text)}) {
        for (const std::size_t size :
             {std::size_t{7}, std::size_t{20}, whole.size() / 2, whole.size() - 1})
            EXPECT_THROW(decompress(whole.substr(0, size)), Error) << size;
        std::string damaged = whole;
        damaged[damaged.size() - 3] = static_cast<char>(damaged[damaged.size() - 3] ^ 1);
        if (whole[0] != '\x28') {
            EXPECT_THROW(decompress(damaged), Error);  // its CRC; zstd's text has none
        }
    }
    EXPECT_THROW(decompress(gzip("x") + "garbage behind it"), Error);
    // A distance to before the beginning: igzip then says there is more input than it was given.
    constexpr char bad_distance[] =
        "\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\xcf\xa0\x2d\xcf\xa0\x2d\x01\0\xd1\x89"
        "\x60\xd2\x42\x64\0\0";
    EXPECT_THROW(decompress(std::string(bad_distance, sizeof bad_distance)), Error);
}

}  // namespace
}  // namespace hull::archive
