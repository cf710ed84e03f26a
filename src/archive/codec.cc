#include "archive/codec.hh"

#include "base/error.hh"

#include <bzlib.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace hull::archive {

namespace {

constexpr std::size_t output_bytes = 256UL << 10;
constexpr std::size_t magic_bytes = 6;

bool has_prefix(std::span<const std::byte> bytes, std::string_view magic) {
    return bytes.size() >= magic.size() &&
           std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

class GzipSource final : public ByteSource {
public:
    GzipSource(std::span<const std::byte> first, ByteSource& rest)
        : inner_(first, rest), output_(output_bytes) {
        start_member();
    }

    std::span<const std::byte> next() override {
        if (ended_) return {};
        state_.next_out = reinterpret_cast<std::uint8_t*>(output_.data());
        state_.avail_out = output_bytes;
        while (state_.avail_out > 0) {
            if (input_.empty()) input_ = inner_.next();
            if (input_.empty()) {
                if (inside_member_)
                    throw Error(ErrorKind::invalid_argument, "gzip data is cut short");
                ended_ = true;
                break;
            }
            if (!inside_member_ && !begin_next_member()) continue;
            inflate();
        }
        return std::span(output_).first(output_bytes - state_.avail_out);
    }

private:
    void start_member() {
        isal_inflate_init(&state_);
        state_.crc_flag = ISAL_GZIP;
        inside_member_ = true;
    }

    /// Zeros after a member are padding (tapes, block devices); anything else is a member.
    bool begin_next_member() {
        const auto data = std::find_if(input_.begin(), input_.end(),
                                       [](std::byte b) { return b != std::byte{0}; });
        input_ = input_.subspan(static_cast<std::size_t>(data - input_.begin()));
        if (input_.empty()) return false;
        std::uint8_t* const out = state_.next_out;
        const std::uint32_t room = state_.avail_out;
        start_member();
        state_.next_out = out;
        state_.avail_out = room;
        return true;
    }

    void inflate() {
        constexpr std::size_t most = 1UL << 30;
        const auto part = input_.first(std::min(input_.size(), most));
        state_.next_in =
            reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(part.data()));  // only read
        state_.avail_in = static_cast<std::uint32_t>(part.size());
        const int result = isal_inflate(&state_);
        // First this: after an error avail_in may be more than there was.
        if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT)
            throw Error(ErrorKind::invalid_argument, "gzip data is corrupt ({})", result);
        input_ = input_.subspan(part.size() - state_.avail_in);
        if (state_.block_state == ISAL_BLOCK_FINISH) inside_member_ = false;
    }

    PrefixedSource inner_;
    std::vector<std::byte> output_;
    std::span<const std::byte> input_;
    inflate_state state_;
    bool inside_member_ = false;
    bool ended_ = false;
};

class ZstdSource final : public ByteSource {
public:
    ZstdSource(std::span<const std::byte> first, ByteSource& rest)
        : inner_(first, rest), output_(output_bytes), context_(ZSTD_createDCtx(), ZSTD_freeDCtx) {
        if (!context_) throw std::bad_alloc();
    }

    std::span<const std::byte> next() override {
        ZSTD_outBuffer output{output_.data(), output_bytes, 0};
        while (output.pos < output.size) {
            if (input_.empty() && !input_ended_) {
                input_ = inner_.next();
                input_ended_ = input_.empty();
            }
            if (input_ended_ && !inside_frame_) break;
            ZSTD_inBuffer input{input_.data(), input_.size(), 0};
            const std::size_t before = output.pos;
            const std::size_t result = ZSTD_decompressStream(context_.get(), &output, &input);
            if (ZSTD_isError(result))
                throw Error(ErrorKind::invalid_argument, "zstd data is corrupt: {}",
                            ZSTD_getErrorName(result));
            input_ = input_.subspan(input.pos);
            inside_frame_ = result != 0;
            if (input_ended_ && inside_frame_ && output.pos == before)
                throw Error(ErrorKind::invalid_argument, "zstd data is cut short");
        }
        return std::span(output_).first(output.pos);
    }

private:
    PrefixedSource inner_;
    std::vector<std::byte> output_;
    std::span<const std::byte> input_;
    std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context_;
    bool input_ended_ = false;
    bool inside_frame_ = false;
};

/// All streams of a file, as bzip2 and pbzip2 write them.
class Bzip2Source final : public ByteSource {
public:
    Bzip2Source(std::span<const std::byte> first, ByteSource& rest)
        : inner_(first, rest), output_(output_bytes) {}
    ~Bzip2Source() override { end_stream(); }

    std::span<const std::byte> next() override {
        std::size_t filled = 0;
        while (filled < output_bytes) {
            if (input_.empty()) input_ = inner_.next();
            if (input_.empty()) break;
            if (!inside_stream_) begin_stream();
            filled += decompress(std::span(output_).subspan(filled));
        }
        if (filled == 0 && inside_stream_)
            throw Error(ErrorKind::invalid_argument, "bzip2 data is cut short");
        return std::span(output_).first(filled);
    }

private:
    void begin_stream() {
        stream_ = {};
        if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) throw std::bad_alloc();
        inside_stream_ = true;
    }

    void end_stream() {
        if (std::exchange(inside_stream_, false)) BZ2_bzDecompressEnd(&stream_);
    }

    std::size_t decompress(std::span<std::byte> room) {
        const auto part = input_.first(std::min(input_.size(), std::size_t{1} << 30));
        stream_.next_in =
            reinterpret_cast<char*>(const_cast<std::byte*>(part.data()));  // only read
        stream_.avail_in = static_cast<unsigned>(part.size());
        stream_.next_out = reinterpret_cast<char*>(room.data());
        stream_.avail_out = static_cast<unsigned>(room.size());
        const int result = BZ2_bzDecompress(&stream_);
        if (result != BZ_OK && result != BZ_STREAM_END)
            throw Error(ErrorKind::invalid_argument, "bzip2 data is corrupt ({})", result);
        input_ = input_.subspan(part.size() - stream_.avail_in);
        const std::size_t made = room.size() - stream_.avail_out;
        if (result == BZ_STREAM_END) end_stream();
        return made;
    }

    PrefixedSource inner_;
    std::vector<std::byte> output_;
    std::span<const std::byte> input_;
    bz_stream stream_{};
    bool inside_stream_ = false;
};

/// All streams of a file and the padding between them.
class XzSource final : public ByteSource {
public:
    XzSource(std::span<const std::byte> first, ByteSource& rest)
        : inner_(first, rest), output_(output_bytes) {
        constexpr std::uint64_t most_memory = 256UL << 20;  // xz -9 wants 65 MB
        if (lzma_stream_decoder(&stream_, most_memory, LZMA_CONCATENATED) != LZMA_OK)
            throw std::bad_alloc();
    }
    ~XzSource() override { lzma_end(&stream_); }

    std::span<const std::byte> next() override {
        stream_.next_out = reinterpret_cast<std::uint8_t*>(output_.data());
        stream_.avail_out = output_bytes;
        while (!ended_ && stream_.avail_out > 0) {
            if (stream_.avail_in == 0 && !input_ended_) {
                const std::span<const std::byte> input = inner_.next();
                input_ended_ = input.empty();
                stream_.next_in = reinterpret_cast<const std::uint8_t*>(input.data());
                stream_.avail_in = input.size();
            }
            const lzma_ret result = lzma_code(&stream_, input_ended_ ? LZMA_FINISH : LZMA_RUN);
            if (result == LZMA_STREAM_END)
                ended_ = true;
            else if (result == LZMA_BUF_ERROR && input_ended_)
                throw Error(ErrorKind::invalid_argument, "xz data is cut short");
            else if (result == LZMA_MEMLIMIT_ERROR)
                throw Error(ErrorKind::invalid_argument,
                            "xz data wants more than 256 MB of memory");
            else if (result != LZMA_OK)
                throw Error(ErrorKind::invalid_argument, "xz data is corrupt ({})",
                            static_cast<int>(result));
        }
        return std::span(output_).first(output_bytes - stream_.avail_out);
    }

private:
    PrefixedSource inner_;
    std::vector<std::byte> output_;
    lzma_stream stream_ = LZMA_STREAM_INIT;
    bool input_ended_ = false, ended_ = false;
};

}  // namespace

Compression detect_compression(std::span<const std::byte> prefix) {
    if (has_prefix(prefix, "\x1f\x8b")) return Compression::gzip;
    if (has_prefix(prefix, "\x28\xb5\x2f\xfd")) return Compression::zstd;
    // A skippable zstd frame: pzstd and zstd:chunked may start with one.
    if (prefix.size() >= 4 && (prefix[0] & std::byte{0xf0}) == std::byte{0x50} &&
        has_prefix(prefix.subspan(1), "\x2a\x4d\x18"))
        return Compression::zstd;
    if (has_prefix(prefix, "BZh")) return Compression::bzip2;
    if (has_prefix(prefix, std::string_view("\xfd"
                                            "7zXZ\0",
                                            6)))
        return Compression::xz;
    return Compression::none;
}

std::string_view name_of(Compression compression) {
    switch (compression) {
        case Compression::none: return "none";
        case Compression::gzip: return "gzip";
        case Compression::zstd: return "zstd";
        case Compression::bzip2: return "bzip2";
        case Compression::xz: return "xz";
    }
    return "unknown";
}

Decompressor::Decompressor(ByteSource& inner) {
    std::span<const std::byte> first = inner.next();
    // A pipe may give fewer bytes than a magic number has.
    while (!first.empty() && joined_.size() + first.size() < magic_bytes) {
        joined_.insert(joined_.end(), first.begin(), first.end());
        first = inner.next();
    }
    if (!joined_.empty()) {
        joined_.insert(joined_.end(), first.begin(), first.end());
        first = joined_;
    }
    compression_ = detect_compression(first);
    switch (compression_) {
        case Compression::gzip: engine_ = std::make_unique<GzipSource>(first, inner); break;
        case Compression::zstd: engine_ = std::make_unique<ZstdSource>(first, inner); break;
        case Compression::none: engine_ = std::make_unique<PrefixedSource>(first, inner); break;
        case Compression::bzip2: engine_ = std::make_unique<Bzip2Source>(first, inner); break;
        case Compression::xz: engine_ = std::make_unique<XzSource>(first, inner); break;
    }
}

Decompressor::~Decompressor() = default;

std::span<const std::byte> Decompressor::next() { return engine_->next(); }

}  // namespace hull::archive
