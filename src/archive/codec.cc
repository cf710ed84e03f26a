#include "archive/codec.hh"

#include "base/error.hh"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

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
        case Compression::bzip2:
        case Compression::xz:
            throw Error(ErrorKind::unsupported,
                        "{} compression is not supported: recompress it with gzip or zstd",
                        name_of(compression_));
    }
}

Decompressor::~Decompressor() = default;

std::span<const std::byte> Decompressor::next() { return engine_->next(); }

}  // namespace hull::archive
