#include "sender/program.hh"

int main() { return hull::sender::run_program(); }
