#pragma once
#include "archive/byte_source.hh"

namespace hull::transfer {

/// Reads a tar (plain, gzip or zstd) and writes its entries to `output_fd` as records for the
/// program that makes the files (archive/file_record.hh, ADR 009). Names are made relative and
/// clean; one that leads outside with ".." throws invalid_argument, as does whatever is malformed:
/// then there is no end record.
void unpack(archive::ByteSource& stream, int output_fd);

}  // namespace hull::transfer
