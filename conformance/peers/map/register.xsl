<?xml version="1.0" encoding="UTF-8"?>
<!-- The meaning of register.map.xml, as a hand would write it: mappings/tests/xslt.rs compares. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:r="urn:bench:register" xmlns:u="urn:bench:unified" exclude-result-prefixes="r">
  <xsl:output method="xml" omit-xml-declaration="yes" indent="no" encoding="UTF-8"/>
  <xsl:template match="/r:Register"><u:Records><xsl:apply-templates select="r:Entry"/></u:Records></xsl:template>
  <xsl:template match="r:Entry">
    <u:Record kind="register"><u:Id><xsl:value-of select="@no"/></u:Id><u:Sector><xsl:value-of select="../r:Sector"/></u:Sector>
      <u:Name><xsl:value-of select="r:name"/></u:Name>
      <u:Phone><xsl:value-of select="r:phone"/></u:Phone>
      <u:City><xsl:value-of select="r:city"/></u:City>
      <u:Street><xsl:value-of select="r:street"/></u:Street>
      <u:House><xsl:value-of select="r:house"/></u:House>
      <u:Post><xsl:value-of select="r:post"/></u:Post>
      <u:Office><xsl:value-of select="r:office"/></u:Office>
      <u:Clerk><xsl:value-of select="r:clerk"/></u:Clerk>
      <u:Model><xsl:value-of select="r:model"/></u:Model>
      <u:Maker><xsl:value-of select="r:maker"/></u:Maker>
      <u:Serial><xsl:value-of select="r:serial"/></u:Serial>
      <u:Engine><xsl:value-of select="r:engine"/></u:Engine>
      <u:Colour><xsl:choose><xsl:when test="r:colour = 'A'">colour-0</xsl:when><xsl:when test="r:colour = 'W'">colour-1</xsl:when><xsl:when test="r:colour = 'B'">colour-2</xsl:when><xsl:when test="r:colour = 'K'">colour-3</xsl:when><xsl:when test="r:colour = 'R'">colour-4</xsl:when><xsl:when test="r:colour = 'G'">colour-5</xsl:when><xsl:when test="r:colour = 'Y'">colour-6</xsl:when><xsl:when test="r:colour = 'S'">colour-7</xsl:when></xsl:choose></u:Colour>
      <u:Fuel><xsl:choose><xsl:when test="r:fuel = 'A'">fuel-0</xsl:when><xsl:when test="r:fuel = 'B'">fuel-1</xsl:when><xsl:when test="r:fuel = 'C'">fuel-2</xsl:when><xsl:when test="r:fuel = 'O'">fuel-3</xsl:when></xsl:choose></u:Fuel>
      <u:Use><xsl:choose><xsl:when test="r:use = 'A'">use-0</xsl:when><xsl:when test="r:use = 'B'">use-1</xsl:when><xsl:when test="r:use = 'D'">use-2</xsl:when><xsl:when test="r:use = 'F'">use-3</xsl:when></xsl:choose></u:Use>
      <u:State><xsl:choose><xsl:when test="r:state = 'A'">state-0</xsl:when><xsl:when test="r:state = 'B'">state-1</xsl:when><xsl:when test="r:state = 'E'">state-2</xsl:when><xsl:when test="r:state = 'G'">state-3</xsl:when></xsl:choose></u:State>
      <u:Built><xsl:value-of select="concat(substring(r:built, 1, 4), '-', substring(r:built, 5, 2), '-', substring(r:built, 7, 2))"/></u:Built>
      <u:First><xsl:value-of select="concat(substring(r:first, 1, 4), '-', substring(r:first, 5, 2), '-', substring(r:first, 7, 2))"/></u:First>
      <u:Until><xsl:value-of select="concat(substring(r:until, 1, 4), '-', substring(r:until, 5, 2), '-', substring(r:until, 7, 2))"/></u:Until>
      <u:Checked><xsl:value-of select="concat(substring(r:checked, 1, 4), '-', substring(r:checked, 5, 2), '-', substring(r:checked, 7, 2))"/></u:Checked>
      <u:Mass><xsl:value-of select="r:mass"/></u:Mass>
      <u:Axle><xsl:value-of select="r:axle"/></u:Axle>
      <u:Seats><xsl:value-of select="r:seats"/></u:Seats>
      <u:Power><xsl:value-of select="r:power"/></u:Power>
      <u:Insurer><xsl:value-of select="r:insurer"/></u:Insurer>
      <u:Policy><xsl:value-of select="r:policy"/></u:Policy>
      <u:Remark><xsl:value-of select="r:remark"/></u:Remark>
      <u:Owner><xsl:value-of select="r:owner"/></u:Owner>
      <u:Plate><xsl:value-of select="translate(normalize-space(r:plate), 'abcdefghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ')"/></u:Plate>
      <u:Region><xsl:value-of select="r:region"/></u:Region>
    </u:Record>
  </xsl:template>
</xsl:stylesheet>
