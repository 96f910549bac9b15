<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0">
  <xsl:template name="trim">
    <xsl:param name="text"/>
    <xsl:variable name="first" select="substring($text, 1, 1)"/>
    <xsl:variable name="last" select="substring($text, string-length($text), 1)"/>
    <xsl:choose>
      <xsl:when test="$text = ''"/>
      <xsl:when test="normalize-space($first) = ''">
        <xsl:call-template name="trim"><xsl:with-param name="text" select="substring($text, 2)"/></xsl:call-template>
      </xsl:when>
      <xsl:when test="normalize-space($last) = ''">
        <xsl:call-template name="trim"><xsl:with-param name="text" select="substring($text, 1, string-length($text) - 1)"/></xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <xsl:template name="split">
    <xsl:param name="text"/>
    <xsl:param name="separator"/>
    <xsl:param name="position"/>
    <xsl:choose>
      <xsl:when test="$position &gt; 1">
        <xsl:call-template name="split">
          <xsl:with-param name="text" select="substring-after($text, $separator)"/>
          <xsl:with-param name="separator" select="$separator"/>
          <xsl:with-param name="position" select="$position - 1"/>
        </xsl:call-template>
      </xsl:when>
      <xsl:when test="contains($text, $separator)"><xsl:value-of select="substring-before($text, $separator)"/></xsl:when>
      <xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <xsl:template name="replace">
    <xsl:param name="text"/>
    <xsl:param name="what"/>
    <xsl:param name="with"/>
    <xsl:choose>
      <xsl:when test="contains($text, $what)">
        <xsl:value-of select="concat(substring-before($text, $what), $with)"/>
        <xsl:call-template name="replace">
          <xsl:with-param name="text" select="substring-after($text, $what)"/>
          <xsl:with-param name="what" select="$what"/>
          <xsl:with-param name="with" select="$with"/>
        </xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <!-- What follows the last of a character, with something in the place of what was before; all of it where there is none. -->
  <xsl:template name="after-last">
    <xsl:param name="text"/>
    <xsl:param name="what"/>
    <xsl:param name="with"/>
    <xsl:param name="found" select="''"/>
    <xsl:choose>
      <xsl:when test="contains($text, $what)">
        <xsl:call-template name="after-last">
          <xsl:with-param name="text" select="substring-after($text, $what)"/>
          <xsl:with-param name="what" select="$what"/>
          <xsl:with-param name="with" select="$with"/>
          <xsl:with-param name="found" select="$with"/>
        </xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:value-of select="concat($found, $text)"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <!-- A decimal number times a power of ten, in its shortest form. -->
  <xsl:template name="shift">
    <xsl:param name="text"/>
    <xsl:param name="zeros"/>
    <xsl:variable name="plain" select="translate(normalize-space($text), '+-', '')"/>
    <xsl:variable name="after" select="substring-after($plain, '.')"/>
    <xsl:variable name="count" select="string-length($zeros)"/>
    <xsl:variable name="moved" select="concat(substring-before(concat($plain, '.'), '.'), substring(concat($after, $zeros), 1, $count))"/>
    <xsl:variable name="lead" select="substring-before(concat(translate($moved, '23456789', '11111111'), '1'), '1')"/>
    <xsl:variable name="whole" select="substring($moved, string-length($lead) + 1)"/>
    <xsl:variable name="part"><xsl:call-template name="shorten"><xsl:with-param name="text" select="substring($after, $count + 1)"/></xsl:call-template></xsl:variable>
    <xsl:if test="starts-with(normalize-space($text), '-') and translate($plain, '0.', '') != ''">-</xsl:if>
    <xsl:value-of select="concat($whole, substring('0', 1 div ($whole = '')))"/>
    <xsl:if test="$part != ''"><xsl:value-of select="concat('.', $part)"/></xsl:if>
  </xsl:template>
  <xsl:template name="shorten">
    <xsl:param name="text"/>
    <xsl:choose>
      <xsl:when test="$text != '' and substring($text, string-length($text)) = '0'">
        <xsl:call-template name="shorten"><xsl:with-param name="text" select="substring($text, 1, string-length($text) - 1)"/></xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <!-- An xs:date or xs:dateTime as a day or an instant: zone is in minutes ahead of UTC, for what was written without one. -->
  <xsl:template name="moment">
    <xsl:param name="text"/>
    <xsl:param name="as"/>
    <xsl:param name="zone"/>
    <xsl:variable name="day" select="substring($text, 1, 10)"/>
    <xsl:variable name="clock" select="substring(substring-after($text, 'T'), 1, 8)"/>
    <xsl:variable name="rest" select="substring(substring-after($text, 'T'), 9)"/>
    <xsl:variable name="fraction" select="translate(substring-before(concat(translate($rest, 'Z+-', '   '), ' '), ' '), '.', '')"/>
    <xsl:variable name="ms" select="substring(concat($fraction, '000'), 1, 3)"/>
    <xsl:variable name="own" select="substring($rest, string-length($fraction) + 1 + contains($rest, '.'))"/>
    <xsl:variable name="sign" select="1 - 2 * starts-with($own, '-')"/>
    <xsl:variable name="minutes" select="$sign * (60 * number(substring($own, 2, 2)) + number(substring($own, 5, 2)))"/>
    <xsl:variable name="shift">
      <xsl:choose>
        <xsl:when test="$clock = ''">0</xsl:when>
        <xsl:when test="$as = 'plain'">0</xsl:when>
        <xsl:when test="$as = 'date' and $own = ''">0</xsl:when>
        <xsl:when test="$as = 'date' and $own = 'Z'"><xsl:value-of select="$zone"/></xsl:when>
        <xsl:when test="$as = 'date'"><xsl:value-of select="$zone - $minutes"/></xsl:when>
        <xsl:when test="$own = 'Z'">0</xsl:when>
        <xsl:when test="$own = ''"><xsl:value-of select="-$zone"/></xsl:when>
        <xsl:otherwise><xsl:value-of select="-$minutes"/></xsl:otherwise>
      </xsl:choose>
    </xsl:variable>
    <xsl:variable name="y" select="number(substring($day, 1, 4))"/>
    <xsl:variable name="m" select="number(substring($day, 6, 2))"/>
    <xsl:variable name="a" select="floor((14 - $m) div 12)"/>
    <xsl:variable name="yy" select="$y + 4800 - $a"/>
    <xsl:variable name="julian" select="number(substring($day, 9, 2)) + floor((153 * ($m + 12 * $a - 3) + 2) div 5) + 365 * $yy + floor($yy div 4) - floor($yy div 100) + floor($yy div 400) - 32045"/>
    <xsl:variable name="of-day" select="60 * number(concat('0', substring($clock, 1, 2))) + number(concat('0', substring($clock, 4, 2))) + $shift"/>
    <xsl:variable name="moved" select="$julian + floor($of-day div 1440)"/>
    <xsl:variable name="left" select="$of-day - 1440 * floor($of-day div 1440)"/>
    <xsl:variable name="e" select="$moved + 32044"/>
    <xsl:variable name="f" select="floor((4 * $e + 3) div 146097)"/>
    <xsl:variable name="g" select="$e - floor(146097 * $f div 4)"/>
    <xsl:variable name="h" select="floor((4 * $g + 3) div 1461)"/>
    <xsl:variable name="i" select="$g - floor(1461 * $h div 4)"/>
    <xsl:variable name="n" select="floor((5 * $i + 2) div 153)"/>
    <xsl:value-of select="format-number(100 * $f + $h - 4800 + floor($n div 10), '0000')"/>
    <xsl:value-of select="format-number($n + 3 - 12 * floor($n div 10), '-00')"/>
    <xsl:value-of select="format-number($i - floor((153 * $n + 2) div 5) + 1, '-00')"/>
    <xsl:if test="$as != 'date' and $clock != ''">
      <xsl:value-of select="format-number(floor($left div 60), 'T00')"/>
      <xsl:value-of select="format-number($left mod 60, ':00')"/>
      <xsl:value-of select="concat(':', substring($clock, 7, 2), '.', $ms)"/>
      <xsl:choose>
        <xsl:when test="$as = 'instant'">Z</xsl:when>
        <xsl:when test="$own = '+00:00' or $own = '-00:00'">Z</xsl:when>
        <xsl:otherwise><xsl:value-of select="$own"/></xsl:otherwise>
      </xsl:choose>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
