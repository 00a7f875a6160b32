# Text files, one after the other, as a C array:
# cmake -DOUT=x.c -DFILES=x.sql,y.sql -DNAME=x_sql -DHEADER=folder/x.h -P text.cmake
string(REPLACE "," ";" files "${FILES}")
set(hex "")
foreach(file ${files})
    file(READ "${file}" more HEX)
    string(APPEND hex "${more}")
endforeach()
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(0x0a,)" "\\1\n" bytes "${bytes}")
file(WRITE "${OUT}" "/* Made by cmake/text.cmake. */\n#include \"${HEADER}\"\n\nconst unsigned char ${NAME}[] = {\n${bytes}};\n"
     "const size_t ${NAME}_size = sizeof(${NAME});\n")
