/* libxml2 in process, for `waybill bench xsd`: parse and validate a document that is in memory, the schema loaded once, the parser
 * and the validation context used again.
 *
 *   cc -O2 libxml2.c $(pkg-config --cflags --libs libxml-2.0) -o libxml2
 *   ./libxml2 SCHEMA DOC…      then, a line on standard input each: NUMBER ROUNDS
 *
 * Answers each line with the nanoseconds of one document. Ends with 1 if a document is not valid. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static double tree(xmlParserCtxtPtr parser, xmlSchemaValidCtxtPtr valid, const char *octets, int length, long rounds) {
    double start = now();
    for (long round = 0; round < rounds; round++) {
        xmlDocPtr doc = xmlCtxtReadMemory(parser, octets, length, "doc.xml", NULL, XML_PARSE_NONET | XML_PARSE_COMPACT);
        if (!doc || xmlSchemaValidateDoc(valid, doc) != 0) fail("not valid");
        xmlFreeDoc(doc);
    }
    return (now() - start) / rounds;
}

int main(int count, char **words) {
    if (count < 3) fail("usage: libxml2 SCHEMA DOC...");
    xmlInitParser();
    xmlSchemaParserCtxtPtr loader = xmlSchemaNewParserCtxt(words[1]);
    xmlSchemaPtr schema = loader ? xmlSchemaParse(loader) : NULL;
    if (!schema) fail("the schema does not load");
    xmlSchemaValidCtxtPtr valid = xmlSchemaNewValidCtxt(schema);
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    char **octets = calloc(count, sizeof *octets);
    int *lengths = calloc(count, sizeof *lengths);
    for (int at = 2; at < count; at++) {
        FILE *file = fopen(words[at], "rb");
        if (!file) fail(words[at]);
        fseek(file, 0, SEEK_END);
        lengths[at] = (int)ftell(file);
        rewind(file);
        octets[at] = malloc(lengths[at]);
        if (fread(octets[at], 1, lengths[at], file) != (size_t)lengths[at]) fail(words[at]);
        fclose(file);
    }
    int number;
    long rounds;
    while (scanf("%d %ld", &number, &rounds) == 2 && number + 2 < count && rounds > 0) {
        int at = number + 2;
        printf("%.1f\n", tree(parser, valid, octets[at], lengths[at], rounds));
        fflush(stdout);
    }
    return 0;
}
