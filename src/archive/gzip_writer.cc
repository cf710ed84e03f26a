#include "archive/gzip_writer.hh"

#include "base/error.hh"

#include <isa-l/igzip_lib.h>

#include <vector>

namespace hull::archive {

struct GzipWriter::State {
    explicit State(Sink to)
        : sink(std::move(to)), level_buffer(ISAL_DEF_LVL1_DEFAULT), output(256UL << 10) {
        isal_deflate_init(&stream);
        stream.level = 1;
        stream.level_buf = level_buffer.data();
        stream.level_buf_size = static_cast<std::uint32_t>(level_buffer.size());
        stream.gzip_flag = IGZIP_GZIP;
    }
    Sink sink;
    isal_zstream stream{};
    std::vector<std::uint8_t> level_buffer;
    std::vector<std::byte> output;
};

GzipWriter::GzipWriter(Sink sink) : state_(std::make_unique<State>(std::move(sink))) {}
GzipWriter::~GzipWriter() = default;

void GzipWriter::compress(std::span<const std::byte> bytes, bool end) {
    isal_zstream& stream = state_->stream;
    // The library reads only.
    stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(bytes.data()));
    stream.avail_in = static_cast<std::uint32_t>(bytes.size());
    stream.end_of_stream = end ? 1 : 0;
    do {
        stream.next_out = reinterpret_cast<std::uint8_t*>(state_->output.data());
        stream.avail_out = static_cast<std::uint32_t>(state_->output.size());
        if (const int status = isal_deflate(&stream); status != COMP_OK)
            throw Error(ErrorKind::internal, "compressing failed with {}", status);
        const std::size_t made = state_->output.size() - stream.avail_out;
        if (made > 0) state_->sink(std::span(state_->output).first(made));
    } while (stream.avail_out == 0 || stream.avail_in > 0 ||
             (end && stream.internal_state.state != ZSTATE_END));
}

}  // namespace hull::archive
