# A text file as a C array: cmake -DOUT=x.c -DFILE=x.sql -DNAME=x_sql -DHEADER=folder/x.h -P text.cmake
file(READ "${FILE}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(0x0a,)" "\\1\n" bytes "${bytes}")
file(WRITE "${OUT}" "/* Made by cmake/text.cmake. */\n#include \"${HEADER}\"\n\nconst unsigned char ${NAME}[] = {\n${bytes}};\n"
     "const size_t ${NAME}_size = sizeof(${NAME});\n")
